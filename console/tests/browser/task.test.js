// Tests the page of a task: events that arrive while another page is open, the chart, and large tasks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

const RUNS = "https://github.com/acme/gateway/actions/runs";

/** @param {import("playwright-core").Page} page */
const count = (page) =>
  page.evaluate(() => Number(document.querySelector("#task-events .count")?.textContent?.replace(/\D/g, "")));

test("a task's page shows the events that arrived while another page was open", async () => {
  const vtid = "DEV-AWAYY-0001";
  const link = `${RUNS}/1`;
  await stack.send([event({ vtid, kind: "first" })]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  const list = page.locator(".task-page .row[data-id]");
  await list.first().waitFor();
  await page.getByRole("link", { name: "Live" }).click();
  const run = { vtid, source: "github.actions", kind: "workflow_run", link, meta: { name: "Away CI" } };
  const [id] = await stack.send([event({ ...run, status: "in_progress" })]);
  await page.locator(`#ticker .row[data-id="${id}"]`).waitFor();
  await page.goBack();
  await page.locator(`.task-page .row[data-id="${id}"]`).waitFor();
  await page.locator(".bar.s-in_progress", { hasText: "Away CI" }).waitFor();
  assert.equal(await count(page), 2);
  assert.deepEqual(faults, []);
  await close();
});

test("Space does not pause a task's events, and repeated pings are neither listed nor counted", async () => {
  const vtid = "DEV-PINGS-0001";
  const ping = { vtid, source: "agent.ping", kind: "ping", module: "PINGER", status: "in_progress" };
  await stack.send(Array.from({ length: 5 }, () => event(ping)));
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  const rows = page.locator(".task-page .row[data-id]");
  await rows.first().waitFor();
  assert.equal(await rows.locator(".c-task").first().isVisible(), false, "the task column is hidden");
  await page.keyboard.press("Space");
  await stack.send(Array.from({ length: 5 }, () => event(ping)));
  const [id] = await stack.send([event({ vtid, kind: "last" })]);
  await page.locator(`.task-page .row[data-id="${id}"]`).waitFor();
  await until(async () => (await count(page)) === 2, "the count equals the number of rows");
  assert.equal(await rows.count(), 2);
  assert.deepEqual(faults, []);
  await close();
});

test("a bar keeps its element while the run changes, so an open tooltip stays open", async () => {
  const vtid = "DEV-STAYS-0001";
  const run = {
    vtid,
    source: "github.actions",
    kind: "workflow_run",
    link: `${RUNS}/3`,
    meta: { name: "CI" },
  };
  await stack.send([
    event({ vtid, source: "github.actions", kind: "push" }),
    event({ ...run, status: "queued" }),
  ]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  const bar = page.locator(".bar.live", { hasText: "CI" });
  await bar.waitFor();
  const handle = await bar.elementHandle();
  const title = await handle?.getAttribute("title");
  await until(async () => (await handle?.getAttribute("title")) !== title, "the duration has grown");
  await stack.send([event({ ...run, status: "in_progress" })]);
  await page.locator(".bar.s-in_progress .i-in_progress").waitFor();
  await stack.send([event({ ...run, status: "failure" })]);
  await page.locator(".bar.s-failure .i-failure").waitFor();
  assert.ok(
    await handle?.evaluate((element) => element.isConnected && element.matches(".s-failure:not(.live)")),
  );
  assert.deepEqual(faults, []);
  await close();
});

test("the chart of a long task leaves room for the list of events", async () => {
  const vtid = "DEV-LONGG-0001";
  const now = Date.now();
  const events = Array.from({ length: 500 }, (_, i) => {
    const run = {
      vtid,
      source: "github.actions",
      kind: "workflow_run",
      link: `${RUNS}/${1_000 + i}`,
      meta: { name: ["CI", "Lint", "Nightly"][i % 3] },
    };
    /** @param {number} second */
    const ts = (second) => new Date(now - (500 - i) * 600_000 + second * 1_000).toISOString();
    return [
      event({ ...run, status: "queued", ts: ts(0) }),
      event({ ...run, status: "in_progress", ts: ts(10) }),
      event({ ...run, status: i % 9 ? "success" : "failure", ts: ts(200) }),
      event({ vtid, source: "github.actions", kind: "push", ts: ts(300), meta: { sha: `${i}`.repeat(7) } }),
    ];
  }).flat();
  for (let i = 0; i < events.length; i += 1_000) await stack.send(events.slice(i, i + 1_000));
  const { page, faults, close } = await open(browser, "about:blank");
  await page.addInitScript(() => {
    const long = /** @type {any} */ (globalThis);
    long.longest = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) long.longest = Math.max(long.longest, entry.duration);
    }).observe({ type: "longtask", buffered: true });
  });
  await page.goto(`${stack.url}/vtid/${vtid}`);
  await until(async () => (await count(page)) === 2_000, "all events are counted");
  console.log(`longest JS task: ${await page.evaluate(() => /** @type {any} */ (globalThis).longest)} ms`);
  const names = page.locator(".names span:not(:empty)");
  assert.deepEqual([...new Set(await names.allTextContents())].sort(), ["CI", "Lint", "Nightly", "push"]);
  const box = await page.locator(".chart").boundingBox();
  assert.ok(box && box.height <= 0.45 * 900 + 1, `the chart has a height of ${box?.height} px`);
  const head = await page.locator("#task-events").boundingBox();
  assert.ok(head && head.y < 700, `the list of events begins at ${head?.y} px`);
  assert.deepEqual(faults, []);
  await close();
});

test("on a phone, the steps are one row that scrolls sideways", async () => {
  const vtid = "DEV-PHONE-0001";
  await stack.send([
    event({ vtid, source: "github.actions", kind: "push" }),
    event({ vtid, source: "github.actions", kind: "pull_request" }),
    event({ vtid, source: "github.actions", kind: "pull_request", status: "success" }),
    event({ vtid, source: "github.actions", kind: "release", status: "success" }),
  ]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`, {
    viewport: { width: 390, height: 844 },
  });
  await inState(page, "live");
  await page.locator(".steps .total").waitFor({ state: "attached" });
  const steps = page.locator(".steps");
  assert.ok(((await steps.boundingBox())?.height ?? 999) < 90);
  assert.ok(await steps.evaluate((list) => list.scrollWidth > list.clientWidth));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("a task's page shows some events while others load, and no events of the previous task", async () => {
  const vtid = "DEV-SLOWW-0001";
  await stack.sendMany(700, { vtid });
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/DEV-NEVER-0001`);
  await page.getByText("No events for DEV-NEVER-0001 yet").waitFor();
  /** @type {(() => void)[]} */
  const held = [];
  await page.route(/vtid=DEV-SLOWW-0001/, async (route) => {
    await new Promise((resolve) => held.push(() => resolve(undefined)));
    await route.continue();
  });
  await page.evaluate((vtid) => {
    const link = document.createElement("a");
    link.href = `/vtid/${vtid}`;
    link.dataset.route = "";
    document.body.append(link);
    link.click();
  }, vtid);
  await page.getByRole("heading", { name: vtid }).waitFor();
  assert.equal(await page.getByText("No events for").count(), 0);
  await page.locator(".journey .skeleton").waitFor();
  const release = async (/** @type {number} */ nth) => {
    await until(async () => held.length >= nth, "the page has sent a query");
    held[nth - 1]?.();
  };
  await release(1);
  await until(async () => (await count(page)) === 500, "the first events are counted");
  await release(2);
  await until(async () => (await count(page)) === 700, "all events are counted");
  assert.deepEqual(faults, []);
  await close();
});
