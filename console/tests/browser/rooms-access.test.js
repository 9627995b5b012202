// Tests who may read rooms, and which pages lead to the page of a room.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENV, mint, numbered, put, report, texts, write } from "./rooms.js";
import { chord, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const ALICE = mint("alice");

/** Opens the page of a room as Alice. @param {string} room @param {object} [options] */
const enter = (room, options) => open(browser, `${stack.url}/rooms/${room}#token=${ALICE}`, options);

/** @param {import("playwright-core").Page} page @param {string} text */
const line = (page, text) => page.locator(".line .text").getByText(text, { exact: true });

test("without a valid token, the page asks for one", async () => {
  await put(stack, "secret");
  await write(stack, "secret", ["for those who may read it"]);
  const { page, close } = await open(browser, `${stack.url}/rooms/secret`);
  await page.getByText("Sign in to read rooms.").waitFor();
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Use token" }).click();
  await page.getByText(/Your token is not accepted/).waitFor();
  await page.getByLabel("Token").fill(ALICE);
  await page.getByRole("button", { name: "Use token" }).click();
  await line(page, "for those who may read it").waitFor();
  await close();
});

test("an open page uses a token that the user adds to its address", async () => {
  await put(stack, "later");
  await write(stack, "later", ["a line"]);
  const { page, close } = await open(browser, `${stack.url}/rooms/later`);
  await page.getByText("Sign in to read rooms.").waitFor();
  await page.goto(`${stack.url}/rooms/later#token=${ALICE}`);
  await line(page, "a line").waitFor();
  assert.equal(page.url(), `${stack.url}/rooms/later`);
  await close();
});

test("a reader who loses the right to read a room sees no more lines", async () => {
  await put(stack, "bobs", { owner: "bob", readers: "signed_in" });
  await write(stack, "bobs", ["public for now"]);
  const { page, close } = await enter("bobs");
  await line(page, "public for now").waitFor();
  await put(stack, "bobs", { readers: "owner" });
  await page.getByText(/may no longer read this room/).waitFor();
  await write(stack, "bobs", ["private"]);
  await page.reload();
  await page.getByText(/You may not read this/).waitFor();
  assert.equal(await page.locator(".line").count(), 0);
  await page.goto(`${stack.url}/rooms`);
  await page.locator(".room-row").first().waitFor();
  assert.equal(await page.getByRole("link", { name: "bobs" }).count(), 0);
  await close();
});

test("a room that does not exist, and an id that no room can have, are explained", async () => {
  const { page, close } = await enter("nothing-here");
  await page.getByText("This room does not exist.").waitFor();
  await page.goto(`${stack.url}/rooms/a%20b`);
  await page.getByText("This room does not exist.").waitFor();
  await page.getByRole("link", { name: "See the rooms that you may read" }).click();
  await page.waitForURL(`${stack.url}/rooms`);
  await close();
});

test("the list shows the rooms that the reader may read, and leads to them", async () => {
  await put(stack, "listed-1", { title: "Listed", owner: "alice", readers: "owner" });
  await put(stack, "listed-2", { owner: "bob", readers: "owner" });
  const { page, faults, close } = await open(browser, `${stack.url}/?token=${ALICE}`);
  await chord(page, "g", "r");
  await page.waitForURL(`${stack.url}/rooms`);
  const row = page.locator(".room-row", { hasText: "Listed" });
  assert.match(await row.innerText(), /open\s+Listed\s*listed-1\s+alice\s*private\s+\d+s ago/);
  assert.equal(await page.getByRole("link", { name: "listed-2" }).count(), 0);
  await row.getByRole("link").click();
  await page.getByText("This room has no lines yet.").waitFor();
  await write(stack, "listed-1", ["the first line"]);
  await line(page, "the first line").waitFor();
  await page.goBack();
  await page.waitForURL(`${stack.url}/rooms`);
  assert.deepEqual(faults, []);
  await close();
});

test("the page of a task links to the rooms that have its lines, if the reader has a token", async () => {
  await put(stack, "tasks-log");
  await write(stack, "tasks-log", [{ message: "about the task", vtid: "DEV-ROOMS-0001" }]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/DEV-ROOMS-0001`);
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().includes("/api/v1/rooms")) asked += 1;
  });
  await page.getByText("No events for DEV-ROOMS-0001 yet.").waitFor();
  assert.equal(asked, 0);
  await page.goto(`${stack.url}/vtid/DEV-ROOMS-0001?token=${ALICE}`);
  await page.locator(".task-rooms").getByRole("link", { name: "tasks-log" }).click();
  await line(page, "about the task").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("the page of a task shows the last state of its resources, if the reader has a token", async () => {
  const vtid = "DEV-ROOMS-0002";
  const api = { event_type: "workload_status_update", workload_id: "api", vtid };
  const link = "https://ci.example/run/7";
  const build = {
    event_type: "build_failed",
    build_id: "7",
    workload_id: "api",
    error: "2 tests",
    link,
    vtid,
  };
  const bad = {
    event_type: "error_report",
    error_type: "x",
    message: "m",
    link: "javascript:alert(1)",
    vtid,
  };
  await report(stack, [{ ...api, status: "Pending" }, { ...api, status: "Running" }, build, bad]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}?token=${ALICE}`);
  const links = page.locator(".task-rooms");
  await links.getByText("workload api: Running").waitFor();
  assert.equal(
    await links.innerText(),
    "Resources\nresource: report\nbuild 7: failed\nworkload api: Running",
  );
  assert.equal(await links.getByRole("link", { name: "build 7: failed" }).getAttribute("href"), link);
  assert.equal(await links.getByRole("link").count(), 1);
  assert.deepEqual(faults, []);
  await close();
});

test("after a restart of the gateway, each line is shown once and in order", async () => {
  await put(stack, "restart");
  await write(stack, "restart", numbered(1, 30));
  const { page, close } = await enter("restart");
  await line(page, "line 30").waitFor();
  await stack.down();
  await page.locator(".room-state", { hasText: "reconnecting" }).waitFor();
  await stack.up();
  await write(stack, "restart", numbered(31, 40));
  await line(page, "line 40").waitFor();
  assert.deepEqual(await texts(page), numbered(1, 40));
  await close();
});

test("the other pages load no file of the rooms", async () => {
  const { page, close } = await open(browser, "about:blank");
  /** @type {string[]} */
  const loaded = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await page.goto(`${stack.url}/agents`);
  await page.locator("tr.agent").first().waitFor();
  assert.ok(loaded.some((path) => path.endsWith("/app/main.js")));
  assert.deepEqual(
    loaded.filter((path) => /\/(app|client)\/room/.test(path)),
    [],
  );
  await page.getByRole("link", { name: "Rooms" }).click();
  await page.getByText("Sign in to read rooms.").waitFor();
  assert.ok(loaded.some((path) => path.endsWith("/app/rooms/rooms.css")));
  await close();
});
