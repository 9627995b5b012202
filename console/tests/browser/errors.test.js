// The query API fails while the feed works: each part of the page says what it can't show, and its button
// gets it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, shownIds, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
await stack.send([
  event({ kind: "build", status: "in_progress" }),
  event({ source: "agent.ping", kind: "ping", status: "info", meta: { agent: "planner", interval: 60 } }),
]);
await stack.sendMany(60);

const WHY = "the table can't be read just now";

/** A page to which the query API says no. @param {string} path */
async function refused(path) {
  const opened = await open(browser, "about:blank");
  const { page } = opened;
  await page.route("**/api/v1/oasis/**", (route) =>
    route.fulfill({ status: 500, json: { error: { code: "broken", message: WHY } } }),
  );
  await page.goto(`${stack.url}${path}`);
  await inState(page, "live");
  return { ...opened, mended: () => page.unroute("**/api/v1/oasis/**") };
}

/**
 * A part that says why, has a button, keeps saying so while that does not help, and is gone once it does.
 *
 * @param {import("playwright-core").Locator} part
 * @param {RegExp} says
 * @param {() => Promise<void>} mended
 */
async function tryAgain(part, says, mended) {
  const note = part.filter({ hasText: says });
  await note.filter({ hasText: WHY }).waitFor();
  const asked = part.page().waitForResponse((answer) => answer.status() === 500);
  await note.getByRole("button", { name: "Try again" }).click();
  await asked;
  await note.filter({ hasText: WHY }).waitFor();
  await mended();
  await note.getByRole("button", { name: "Try again" }).click();
  await note.waitFor({ state: "hidden" });
}

test("the list keeps what the feed brought, and asks for older events again", async () => {
  const { page, faults, close, mended } = await refused("/");
  await until(async () => (await shownIds(page)).length === 20, "what the feed begins with");
  await tryAgain(page.locator(".ticker-note"), /Older events can't be read/, mended);
  await until(async () => (await shownIds(page)).length > 20, "older ones");
  assert.deepEqual(faults, []);
  await close();
});

test("what ran before is not known, and is asked for again", async () => {
  const { page, faults, close, mended } = await refused("/");
  await tryAgain(page.locator(".now .note"), /What ran before this page was opened is not known/, mended);
  await page.locator(".run.s-in_progress", { hasText: "build" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a task's history", async () => {
  const { page, faults, close, mended } = await refused("/vtid/DEV-CICDL-0031");
  await tryAgain(page.locator(".task-page .note"), /Its history can't be read/, mended);
  await page.locator(".bar", { hasText: "build" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("the agents", async () => {
  const { page, faults, close, mended } = await refused("/agents");
  await tryAgain(page.locator(".page .note"), /The agents can't be read/, mended);
  await page.locator("tr.a-idle", { hasText: "planner" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("one event", async () => {
  const { page, faults, close, mended } = await refused("/?event=2");
  await tryAgain(page.locator("dialog.drawer[open] .note"), /Its meta can't be read/, mended);
  await page.locator("dialog.drawer[open] .tree", { hasText: "planner" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});
