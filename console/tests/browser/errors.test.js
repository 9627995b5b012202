// Tests failures of the query API while the feed works. Each part of the page must name the data that can't
// be shown, and must have a button to try again.

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

const WHY = "the table can't be read now";

/** Opens a page for which the query API fails. @param {string} path */
async function refused(path) {
  const opened = await open(browser, "about:blank");
  const { page } = opened;
  await page.route("**/api/v1/oasis/**", (route) =>
    route.fulfill({ status: 500, json: { error: { code: "broken", message: WHY } } }),
  );
  await page.goto(`${stack.url}${path}`);
  await inState(page, "live");
  return { ...opened, repair: () => page.unroute("**/api/v1/oasis/**") };
}

/**
 * Checks that a note gives the reason and has a button to try again. The note must stay while the API fails,
 * and must disappear after the API is repaired.
 *
 * @param {import("playwright-core").Locator} part
 * @param {RegExp} text
 * @param {() => Promise<void>} repair
 */
async function tryAgain(part, text, repair) {
  const note = part.filter({ hasText: text });
  await note.filter({ hasText: WHY }).waitFor();
  const asked = part.page().waitForResponse((answer) => answer.status() === 500);
  await note.getByRole("button", { name: "Try again" }).click();
  await asked;
  await note.filter({ hasText: WHY }).waitFor();
  await repair();
  await note.getByRole("button", { name: "Try again" }).click();
  await note.waitFor({ state: "hidden" });
}

test("after an error, older events can be read again, and the feed's events stay in the list", async () => {
  const { page, faults, close, repair } = await refused("/");
  await until(async () => (await shownIds(page)).length === 20, "the first events of the feed are shown");
  await tryAgain(page.locator(".ticker-note"), /Older events can't be read/, repair);
  await until(async () => (await shownIds(page)).length > 20, "older events are shown");
  assert.deepEqual(faults, []);
  await close();
});

test("earlier runs can be read again after an error", async () => {
  const { page, faults, close, repair } = await refused("/");
  await tryAgain(page.locator(".now .note"), /Earlier runs can't be read/, repair);
  await page.locator(".run.s-in_progress", { hasText: "build" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a task's history can be read again after an error", async () => {
  const { page, faults, close, repair } = await refused("/vtid/DEV-CICDL-0031");
  await tryAgain(page.locator(".task-page .note"), /The history can't be read/, repair);
  await page.locator(".bar", { hasText: "build" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("the agents can be read again after an error", async () => {
  const { page, faults, close, repair } = await refused("/agents");
  await tryAgain(page.locator(".page .note"), /The agent list can't be read/, repair);
  await page.locator("tr.a-idle", { hasText: "planner" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("an event's meta can be read again after an error", async () => {
  const { page, faults, close, repair } = await refused("/?event=2");
  await tryAgain(page.locator("dialog.drawer[open] .note"), /The event's meta can't be read/, repair);
  await page.locator("dialog.drawer[open] .tree", { hasText: "planner" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});
