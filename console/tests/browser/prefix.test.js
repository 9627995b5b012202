// Tests the page behind a reverse proxy that serves the gateway below a path and strips this path.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CLIPBOARD, copied, paste } from "./clipboard.js";
import { Relay } from "./relay.js";
import { ENV, mint, put, write } from "./rooms.js";
import { event, inState, open } from "./stack.js";
import { stage } from "./stage.js";

const PREFIX = "/team/devhub";
const TASK = "DEV-PREFX-0001";

const { stack, browser } = await stage(ENV);
const proxy = await Relay.start(stack.url, PREFIX);
after(() => proxy.cut());
const ids = await stack.send([
  event({ vtid: TASK, kind: "one" }),
  event({ source: "agent.ping", kind: "ping", module: "PLANNER", meta: { agent: "planner", interval: 600 } }),
]);

/** The number of requests to addresses outside of the prefix. */
const outside = () => proxy.requests("/") - proxy.requests(`${PREFIX}/`);

test("each page can be opened below a prefix", async () => {
  for (const [path, text] of [
    ["/", "one"],
    [`/vtid/${TASK}`, "one"],
    ["/agents", "planner"],
  ]) {
    const { page, faults, close } = await open(browser, `${proxy.url}${path}`);
    await inState(page, "live");
    await page.locator("main").getByText(`${text}`).first().waitFor();
    await page.getByRole("link", { name: "OASIS DevHub" }).click();
    await page.waitForURL(`${proxy.url}/`);
    await page.locator(`#ticker .row[data-id="${ids[0]}"]`).waitFor();
    assert.deepEqual(faults, []);
    await close();
  }
  assert.equal(outside(), 0);
});

test("links, Back, Forward and a reload stay below the prefix, with the filters", async () => {
  const { page, faults, close } = await open(browser, `${proxy.url}/?kind=one`);
  await page.locator("#ticker").getByRole("link", { name: TASK }).click();
  await page.waitForURL(`${proxy.url}/vtid/${TASK}`);
  await page.locator(".task-page .row[data-id]").waitFor();
  await page.getByRole("link", { name: "Agents" }).click();
  await page.waitForURL(`${proxy.url}/agents`);
  await page.getByRole("link", { name: "Live" }).click();
  await page.waitForURL(`${proxy.url}/?kind=one`);
  await page.goBack();
  await page.goBack();
  await page.waitForURL(`${proxy.url}/vtid/${TASK}`);
  await page.reload();
  await inState(page, "live");
  await page.locator(".task-page .row[data-id] button").click();
  await page.waitForURL(`${proxy.url}/vtid/${TASK}?event=${ids[0]}`);
  await page.keyboard.press("Escape");
  await page.waitForURL(`${proxy.url}/vtid/${TASK}`);
  await page.goForward();
  await page.locator("dialog.drawer[open]").waitFor();
  assert.equal(outside(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("the pages of rooms work below a prefix", async () => {
  await put(stack, "prefixed");
  await write(stack, "prefixed", ["a line"]);
  const { page, faults, close } = await open(browser, `${proxy.url}/rooms#token=${mint("alice")}`);
  await page.getByRole("link", { name: "prefixed" }).click();
  await page.waitForURL(`${proxy.url}/rooms/prefixed`);
  await page.locator(".line", { hasText: "a line" }).waitFor();
  await page.reload();
  await page.locator(".line", { hasText: "a line" }).waitFor();
  await write(stack, "prefixed", ["a live line"]);
  await page.locator(".line", { hasText: "a live line" }).waitFor();
  await page.getByRole("link", { name: "Rooms" }).click();
  await page.waitForURL(`${proxy.url}/rooms`);
  assert.equal(outside(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("the commands that the page offers contain the prefix", async () => {
  const { page, close } = await open(browser, `${proxy.url}/?event=${ids[0]}`, CLIPBOARD);
  await page.locator("dialog.drawer[open] .meta-part p").waitFor();
  const line = await copied(page, "Copy as curl");
  assert.ok(line.includes(`${proxy.url}/api/v1/oasis/events?`), line);
  const [{ id }] = await paste(line);
  assert.equal(id, ids[0]);
  await close();
});

test("a page that does not exist has status 404 and links to the start page, at any depth", async () => {
  for (const path of ["/nothing", "/a/b/c", "/vtid/", `/vtid/${TASK}/x/`, "/events"]) {
    const { page, close } = await open(browser, "about:blank");
    const answer = await page.goto(`${proxy.url}${path}`);
    assert.equal(answer?.status(), 404, path);
    await page.getByRole("heading", { name: "Page not found" }).waitFor();
    assert.equal(
      await page.evaluate(() => getComputedStyle(document.body).marginTop),
      "0px",
      "it has styles",
    );
    await page.getByRole("link", { name: "Go to the Live Console" }).click();
    await page.waitForURL(`${proxy.url}/`);
    await inState(page, "live");
    await close();
  }
  assert.equal(outside(), 0);
});
