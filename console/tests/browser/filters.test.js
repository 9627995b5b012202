// Tests the filters, and the address that contains the filters.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, open, shownIds, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

/** @param {import("playwright-core").Page} page */
const kinds = (page) =>
  page.evaluate(() =>
    [...new Set([...document.querySelectorAll("#ticker .row .kind")].map((kind) => kind.textContent))].sort(),
  );

test("the address contains the filters, and Back and Forward undo and redo a filter change", async () => {
  const ids = await stack.send([
    event({ kind: "one", status: "success" }),
    event({ kind: "two", status: "failure" }),
    event({ kind: "three", vtid: "STG-OTHER-0001" }),
  ]);
  const { page, faults, close } = await open(browser, stack.url);
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  await page.getByRole("button", { name: "Status" }).click();
  await page.getByRole("checkbox", { name: /failed/ }).check();
  await page.waitForURL(`${stack.url}/?status=failure`);
  await until(async () => (await kinds(page)).join() === "two", "only failures are shown");
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("No event matches these filters").waitFor();
  assert.equal(new URL(page.url()).search, "?q=nothing+like+it&status=failure");
  await page.goBack();
  await until(async () => (await kinds(page)).join() === "two", "the text filter is removed");
  await page.goBack();
  await until(async () => (await kinds(page)).join() === "one,three,two", "all events are shown again");
  await page.goForward();
  await until(async () => (await kinds(page)).join() === "two", "the filter is restored");
  await page.getByRole("button", { name: "Remove Status failed" }).click();
  await page.getByRole("button", { name: "Hide green" }).click();
  await until(async () => (await kinds(page)).join() === "three,two", "no successes are shown");
  await page.locator("#ticker").getByRole("link", { name: "STG-OTHER-0001" }).click();
  await page.waitForURL(`${stack.url}/vtid/STG-OTHER-0001`);
  await page.getByRole("button", { name: "Star", exact: true }).click();
  await page.goto(`${stack.url}/?mine=1`);
  await until(async () => (await kinds(page)).join() === "three", "only starred tasks are shown");
  assert.deepEqual(faults, []);
  await close();
});

test("a filter finds events that are older than the events on the page", async () => {
  const [old] = await stack.send([event({ kind: "rare" })]);
  await stack.sendMany(2_000);
  const { page, close } = await open(browser, `${stack.url}/?kind=rare`);
  await page.locator(`#ticker .row[data-id="${old}"]`).waitFor();
  assert.deepEqual(await shownIds(page), [old]);
  await close();
});

test("hide=green in a link hides both older and new successes", async () => {
  const vtid = "DEV-GREEN-0001";
  const statuses = ["queued", "in_progress", "success", "failure", "cancelled", "info"];
  const sent = () => stack.send(statuses.map((status) => event({ kind: status, status, vtid })));
  const older = await sent();
  await stack.sendMany(60);
  const { page, faults, close } = await open(browser, `${stack.url}/?hide=green&vtid=${vtid}`);
  const others = (/** @type {number[]} */ ids) => ids.filter((_, at) => statuses[at] !== "success").reverse();
  await until(async () => (await shownIds(page)).length >= 5, "older events are shown");
  const live = await sent();
  await page.locator(`#ticker .row[data-id="${live.at(-1)}"]`).waitFor();
  assert.deepEqual(await shownIds(page), [...others(live), ...others(older)]);
  const button = page.getByRole("button", { name: "Hide green" });
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  await button.click();
  await page.waitForURL(`${stack.url}/?vtid=${vtid}`);
  await until(async () => (await shownIds(page)).length === 12, "all events are shown");
  assert.deepEqual(faults, []);
  await close();
});

test("a star and its removal survive a reload", async () => {
  await stack.send([event({ kind: "mine", vtid: "DEV-STARS-0001" }), event({ kind: "other" })]);
  const { page, faults, close } = await open(browser, `${stack.url}/?mine=1`);
  await page.getByText("No task has a star yet").waitFor();
  await page.goto(`${stack.url}/vtid/DEV-STARS-0001`);
  await page.getByRole("button", { name: "Star", exact: true }).click();
  await page.reload();
  await page.getByRole("button", { name: "Starred", pressed: true }).waitFor();
  await page.goto(`${stack.url}/?mine=1`);
  await until(async () => (await kinds(page)).join() === "mine", "only starred tasks are shown");
  await page.reload();
  await until(async () => (await kinds(page)).join() === "mine", "a reload changes nothing");
  await page.goto(`${stack.url}/vtid/DEV-STARS-0001`);
  await page.getByRole("button", { name: "Starred" }).click();
  await page.goto(`${stack.url}/?mine=1`);
  await page.getByText("No task has a star yet").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("repeated pings are shown only if the Heartbeats switch is on", async () => {
  const ping = (/** @type {string} */ status, repeat = false) =>
    event({
      source: "agent.ping",
      kind: "ping",
      module: "BEATER",
      vtid: "DEV-BEATS-0001",
      status,
      meta: { agent: "beater", ...(repeat && { repeat }) },
    });
  const sent = await stack.send([
    ping("info"),
    ping("info", true),
    ping("in_progress"),
    ping("in_progress", true),
    ping("in_progress", true),
  ]);
  const [idle = 0, , working = 0] = sent;
  const { page, faults, close } = await open(browser, `${stack.url}/?vtid=DEV-BEATS-0001`);
  const shows = (/** @type {number[]} */ ids, /** @type {string} */ what) =>
    until(async () => (await shownIds(page)).join() === ids.toReversed().join(), what);
  await shows([idle, working], "no repeated pings are shown");
  await page.getByRole("button", { name: "Heartbeats" }).click();
  await page.waitForURL(`${stack.url}/?vtid=DEV-BEATS-0001&heartbeats=1`);
  await shows(sent, "all pings are shown");
  sent.push(...(await stack.send([ping("in_progress", true)])));
  await shows(sent, "one more ping is shown");
  await page.reload();
  await shows(sent, "all pings are shown after the reload");
  await page.getByRole("button", { name: "Heartbeats" }).click();
  await shows([idle, working], "repeated pings are hidden again");
  const [stopped = 0] = await stack
    .send([ping("in_progress", true), ping("success")])
    .then((ids) => ids.slice(1));
  await shows([idle, working, stopped], "the new state is shown");
  assert.deepEqual(faults, []);
  await close();
});
