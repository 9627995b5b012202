// Tests the numbers and times on the page: they must equal those of the query API, whatever the filters are,
// and after a reload.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, shownIds, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

/** @param {string} search @returns {Promise<any[]>} */
const stored = async (search) =>
  (await fetch(`${stack.url}/api/v1/oasis/events?limit=1000&${search}`)).json();

/** @param {number} count @param {object} more */
const some = (count, more) => Array.from({ length: count }, () => event(more));

await stack.send([
  ...some(5, { status: "info" }),
  ...some(33, { status: "success" }),
  ...some(7, { status: "failure", kind: "broken" }),
]);

/**
 * Opens the menu of a facet, and returns its counts.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function menu(page, name) {
  const button = page.getByRole("button", { name, exact: true });
  await button.click();
  const labels = await page.locator(".menu label").allTextContents();
  await button.click();
  return labels.filter((label) => /\d/.test(label)).sort();
}

test("the counts in a menu equal the counts of the query API, with and without filters", async () => {
  const expected = ["failed7", "info5", "success33"];
  for (const search of ["", "?status=failure", "?q=broken", "?heartbeats=1"]) {
    const { page, faults, close } = await open(browser, `${stack.url}/${search}`);
    await inState(page, "live");
    for (const again of [false, true]) {
      if (again) await page.reload();
      await until(
        async () => (await menu(page, "Status")).join() === expected.join(),
        `the menu of ${search} has the counts ${expected}`,
      );
    }
    await page.getByRole("button", { name: "Status", exact: true }).click();
    await page.getByText("Counts of the last 45 events").waitFor();
    assert.deepEqual(faults, []);
    await close();
  }
});

test("the rate counts all events of the last minute, also with a filter and after a reload", async () => {
  await stack.sendMany(270, { kind: "rate" });
  const { page, faults, close } = await open(browser, `${stack.url}/?status=failure`);
  await inState(page, "live");
  /** Whether the page shows the number of events of the last minute, give or take two seconds. */
  const isRight = async () => {
    const shown = Number((await page.locator("#rate-number").textContent())?.replaceAll(",", ""));
    const rows = await stored("");
    const now = Date.now();
    const since = (/** @type {number} */ ms) =>
      rows.filter(({ recorded_at }) => Date.parse(recorded_at) > now - ms).length;
    return shown >= since(58_000) && shown <= since(62_000);
  };
  for (const again of [false, true]) {
    if (again) await page.reload();
    await until(isRight, "the rate is right");
    await stack.send(some(10, { kind: "rate" }));
    await until(isRight, "the rate is right after live events");
  }
  assert.match((await page.locator("#rate").getAttribute("title")) ?? "", /whatever the filters/);
  assert.deepEqual(faults, []);
  await close();
});

test("the rows are in the order in which they arrived, and a late event says how late it is", async () => {
  const ago = (/** @type {number} */ seconds) => new Date(Date.now() - 1_000 * seconds).toISOString();
  await stack.send(
    Array.from({ length: 60 }, (_, i) => event({ kind: "mixed", ts: ago((i * 7919) % 3_600) })),
  );
  const [stale] = await stack.send([event({ kind: "mixed", ts: ago(44) })]);
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=mixed`);
  await until(async () => (await shownIds(page)).length >= 20, "rows are shown");
  const [late] = await stack.send([event({ kind: "mixed", ts: ago(44) })]);
  const [prompt] = await stack.send([event({ kind: "mixed", ts: ago(1) })]);
  const row = (/** @type {number | undefined} */ id) => page.locator(`#ticker .row[data-id="${id}"]`);
  /** Whether no row arrived after the row above it. */
  const isSorted = () =>
    page.evaluate(() => {
      const rows = [...document.querySelectorAll("#ticker .row[data-id]")];
      const numbers = rows.map((row) => Number(/** @type {HTMLElement} */ (row).dataset.id));
      const times = rows.map((row) => Date.parse(row.querySelector("time")?.dateTime ?? ""));
      return (
        numbers.every((id, i) => i === 0 || id < (numbers[i - 1] ?? 0)) &&
        times.every((time, i) => i === 0 || time <= (times[i - 1] ?? 0))
      );
    });
  for (const again of [false, true]) {
    if (again) await page.reload();
    await row(prompt).waitFor();
    for (const id of [stale, late])
      await row(id)
        .locator(".late", { hasText: /^\+4[4-9] s$/ })
        .waitFor();
    assert.equal(await row(prompt).locator(".late").count(), 0);
    assert.ok(await isSorted());
  }
  const title = await row(late).locator(".c-time").getAttribute("title");
  assert.match(title ?? "", /^Arrived .*\n.*\n\nHappened .*\n\d{4}-\d\d-\d\dT/);
  assert.deepEqual(faults, []);
  await close();
});

test("the header says how long ago the last event arrived, whatever the event's time is", async () => {
  await stack.send([event({ kind: "old", ts: new Date(Date.now() - 3_600_000) })]);
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=old`);
  const last = page.locator("#last");
  await last.getByText(/^last event (just now|\d+ s ago)$/).waitFor();
  await last.getByText(/^last event [3-9] s ago$/).waitFor();
  await stack.send([event({ kind: "old", ts: new Date(Date.now() - 3_600_000) })]);
  await last.getByText(/^last event (just now|[12] s ago)$/).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a repeated ping has no row, even if the agent's earlier pings are not on the page", async () => {
  const ping = (/** @type {object} */ meta) =>
    event({
      source: "agent.ping",
      kind: "ping",
      module: "QUIET",
      vtid: "IDLE",
      meta: { agent: "quiet", ...meta },
    });
  const interval = { interval: 600 };
  await stack.send([ping(interval), ...some(30, { kind: "between" })]);
  await stack.send(Array.from({ length: 3 }, () => ping({ ...interval, repeat: true })));
  const { page, faults, close } = await open(browser, "about:blank");
  const listed = page.waitForResponse((answer) => answer.url().endsWith("/oasis/agents"));
  await page.goto(stack.url);
  await inState(page, "live");
  await (await listed).finished();
  await until(async () => (await shownIds(page)).length >= 20, "rows are shown");
  await stack.send([ping({ ...interval, repeat: true })]);
  const [marker] = await stack.send([event({ kind: "marker" })]);
  await page.locator(`#ticker .row[data-id="${marker}"]`).waitFor();
  assert.equal(await page.locator("#ticker .row .kind", { hasText: /^ping$/ }).count(), 0);
  await page.getByRole("button", { name: "Heartbeats" }).click();
  await until(
    async () => (await page.locator("#ticker .row .kind", { hasText: /^ping$/ }).count()) === 4,
    "the switch shows the repeated pings",
  );
  assert.deepEqual(faults, []);
  await close();
});

test("the label of a bar contains the time in the queue, which is a part of the bar", async () => {
  const vtid = "DEV-QUEUE-0001";
  const link = "https://github.com/acme/gateway/actions/runs/32";
  const ts = (/** @type {number} */ second) => new Date(Date.now() - 60_000 + 1_000 * second).toISOString();
  const run = { vtid, source: "github.actions", kind: "workflow_run", link, meta: { name: "Deploy" } };
  const times = [ts(0), ts(22), ts(32)];
  await stack.send(
    ["queued", "in_progress", "success"].map((status, i) => event({ ...run, status, ts: times[i] })),
  );
  const { page, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  await page.locator(".bar", { hasText: "Deploy 22 s queued + 10 s" }).waitFor();
  await close();
});
