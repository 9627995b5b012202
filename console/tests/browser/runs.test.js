// Tests that a run and its jobs share one row, one notification and one dismissal.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

/**
 * @param {number} id
 * @param {string} status
 * @param {number} [job]
 * @param {object} [more]
 */
const ci = (id, status, job, more = {}) =>
  event({
    source: "github.actions",
    kind: job ? "check_run" : "workflow_run",
    status,
    link: `https://github.com/acme/gateway/actions/runs/${id}${job ? `/job/${job}` : ""}`,
    meta: { name: job ? `test (${job})` : "CI", title: job ? undefined : `Change ${id}` },
    ...more,
  });

/** Runs inside the page. Replaces the browser's notifications with a fake that records the titles. */
function fakeNotifications() {
  const notes = /** @type {string[]} */ ([]);
  class Fake {
    static permission = "granted";
    static requestPermission = async () => "granted";
    /** @param {string} title */
    constructor(title) {
      if (localStorage.getItem("refuses")) throw new TypeError("Illegal constructor");
      notes.push(title);
    }
  }
  Object.assign(globalThis, { Notification: Fake, notes });
  localStorage.setItem("oasis.notify", '"on"');
}

/** @param {import("playwright-core").Page} page @returns {Promise<string[]>} */
const notes = (page) => page.evaluate(() => /** @type {any} */ (globalThis).notes);

test("a run and its jobs share one row, one failure and one notification", async () => {
  const { page, faults, close } = await open(browser, "about:blank");
  await page.addInitScript(fakeNotifications);
  await stack.send([event(), ci(1, "in_progress"), ci(1, "in_progress", 11), ci(1, "in_progress", 12)]);
  await page.goto(stack.url);
  await inState(page, "live");
  const now = page.locator('[aria-labelledby="now-title"] .run');
  await now.filter({ hasText: "CI0 of 2 jobs done" }).waitFor();
  assert.equal(await now.count(), 1);
  const [failed] = await stack.send([ci(1, "failure", 11)]);
  const failures = page.locator(".failures .run");
  await failures.filter({ hasText: "1 of 2 jobs failed so far" }).waitFor();
  await page.waitForFunction(() => document.title.startsWith("(1)"));
  await until(async () => (await notes(page)).length > 0, "a notification is shown");
  await failures.locator("button.name").click();
  await page.waitForURL(`${stack.url}/?event=${failed}`);
  await page.keyboard.press("Escape");
  const [, ended] = await stack.send([ci(1, "failure", 12), ci(1, "failure")]);
  await failures.filter({ hasText: "CI2 of 2 jobs failed" }).filter({ hasText: "Change 1" }).waitFor();
  assert.deepEqual([await failures.count(), await now.count()], [1, 0]);
  await failures.locator("button.name").click();
  await page.waitForURL(`${stack.url}/?event=${ended}`);
  await page.keyboard.press("Escape");
  await stack.send([ci(2, "failure")]);
  await until(async () => (await notes(page)).length === 2, "the next run causes a notification");
  assert.equal((await notes(page))[0], "CI failed");
  assert.deepEqual(faults, []);
  await close();
});

test("a dismissed run and its jobs stay dismissed, and a failed job does not fail a green run", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?vtid=DEV-CICDL-0040,DEV-CICDL-0041`);
  await inState(page, "live");
  const vtid = "DEV-CICDL-0040";
  await stack.send([ci(3, "in_progress", undefined, { vtid }), ci(3, "failure", 31, { vtid })]);
  const failures = page.locator(".failures .run");
  await failures.waitFor();
  await page.locator(".failures .dismiss").click();
  await failures.waitFor({ state: "hidden" });
  await stack.send([ci(3, "failure", 32, { vtid }), ci(3, "failure", undefined, { vtid })]);
  const green = { vtid: "DEV-CICDL-0041" };
  await stack.send([
    ci(4, "in_progress", undefined, green),
    ci(4, "failure", 41, green),
    ci(4, "success", undefined, green),
    ci(5, "in_progress", undefined, green),
  ]);
  for (const again of [false, true]) {
    if (again) await page.reload();
    await page.locator(".run.s-in_progress").waitFor();
    assert.equal(await failures.count(), 0);
  }
  assert.deepEqual(faults, []);
  await close();
});

test("if the browser refuses to show a notification, the bell button disappears", async () => {
  const { page, faults, close } = await open(browser, "about:blank");
  await page.addInitScript(fakeNotifications);
  await page.addInitScript(() => localStorage.setItem("refuses", "1"));
  await page.goto(stack.url);
  await inState(page, "live");
  assert.ok(await page.locator("#notify").isVisible());
  await stack.send([ci(6, "failure")]);
  await page.locator("#notify").waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("the page finds active runs even for more tasks than one query accepts", async () => {
  const begun = Array.from({ length: 60 }, (_, i) =>
    ci(1_000 + i, "in_progress", undefined, { vtid: `DEV-MANY-${1_000 + i}` }),
  );
  await stack.send(begun);
  await stack.sendMany(520, { kind: "later" });
  const { page, faults, close } = await open(browser, `${stack.url}/?layer=MANY`);
  await page.locator("#now-title .count", { hasText: "30 of 60" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});
