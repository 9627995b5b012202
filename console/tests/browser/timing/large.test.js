// Tests the size and the first paint of the page, and lists with many events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, shownIds, until } from "../stack.js";
import { stage } from "../stage.js";

const { stack, browser } = await stage();
await stack.send([event()]);

test("the first paint takes at most 200 ms, and the page's files have at most 192 KiB", async () => {
  const { page, close } = await open(browser, stack.url);
  await inState(page, "live");
  /** @type {number[]} */
  const paints = [];
  let bytes = 0;
  for (let i = 0; i < 5; i++) {
    await page.reload();
    await inState(page, "live");
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    const measured = await page.evaluate(() => ({
      paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 1e9,
      bytes: [
        ...performance.getEntriesByType("navigation"),
        ...performance.getEntriesByType("resource").filter(({ name }) => name.includes("/-/")),
      ].reduce((sum, entry) => sum + /** @type {PerformanceResourceTiming} */ (entry).decodedBodySize, 0),
    }));
    paints.push(measured.paint);
    bytes = Math.max(bytes, measured.bytes);
  }
  const median = paints.sort((a, b) => a - b)[2] ?? 1e9;
  console.log(`first paints: ${paints.map(Math.round).join(", ")} ms; size of the files: ${bytes} bytes`);
  assert.ok(bytes > 50_000 && bytes <= 192 * 1024, `the files have ${bytes} bytes`);
  assert.ok(median <= 200, `the median first paint takes ${median} ms`);
  await close();
});

test("a task's page shows only the last 2,000 events, says so, and adds live events", async () => {
  const vtid = "DEV-LARGE-0001";
  await stack.sendMany(2_300, { vtid });
  const [last] = await stack.send([event({ vtid, source: "github.actions", kind: "push" })]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  const list = page.locator(".task-page .scroller");
  await page.getByText("Only the last 2,000 events are shown.").waitFor();
  await list.locator(`.row[data-id="${last}"]`).waitFor();
  const held = async () => Number(await list.getAttribute("aria-rowcount")) - 1;
  assert.equal(await held(), 2_000);
  await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await list.locator(`.row[data-id="${(last ?? 0) - 1_999}"]`).waitFor();
  assert.ok((await page.locator(".bar").count()) <= 400);
  await list.evaluate((element) => element.scrollTo(0, 0));
  await list.locator(`.row[data-id="${last}"]`).waitFor();
  const [next] = await stack.send([event({ vtid })]);
  await list.locator(`.row[data-id="${next}"]`).waitFor();
  await page.getByText("Only the last 2,001 events are shown.").waitFor();
  assert.equal(await held(), 2_001);
  assert.deepEqual(faults, []);
  await close();
});

test("a list of 50,000 events needs few elements, and its memory does not grow", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  await inState(page, "live");
  await stack.sendMany(50_000);
  const held = () =>
    page.evaluate(() => Number(document.querySelector("#ticker")?.getAttribute("aria-rowcount")) - 1);
  await until(async () => (await held()) >= 50_000, "all events are counted", 120_000);
  const nodes = () => page.evaluate(() => document.querySelectorAll("*").length);
  const before = await nodes();
  const height = await page.evaluate(() => document.querySelector("#ticker")?.scrollHeight ?? 0);
  assert.ok(height >= 50_000 * 32);
  for (const share of [0.25, 0.5, 0.99, 0.1]) {
    await page.evaluate((top) => document.querySelector("#ticker")?.scrollTo(0, top), share * height);
    await until(
      () =>
        page.evaluate(() => {
          const box = document.querySelector("#ticker")?.getBoundingClientRect();
          const middle = box && document.elementFromPoint(box.left + 300, box.top + box.height / 2);
          return Boolean(middle?.closest(".row[data-id]"));
        }),
      "the list shows rows at the scroll position",
    );
  }
  assert.ok((await nodes()) < before + 300 && before < 4_000, `elements: ${before}, ${await nodes()}`);
  const heap = () => page.evaluate(() => /** @type {any} */ (performance).memory.usedJSHeapSize);
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const full = await heap();
  await page.evaluate(() => document.querySelector("#ticker")?.scrollTo(0, 0));
  await stack.sendMany(12_000);
  await until(async () => ((await shownIds(page))[0] ?? 0) >= 62_000, "the new events are shown", 60_000);
  await session.send("HeapProfiler.collectGarbage");
  assert.ok((await heap()) < 1.25 * full + 8e6, `heap: ${full} → ${await heap()} bytes`);
  assert.ok((await held()) <= 55_000);
  assert.deepEqual(faults, []);
  await close();
});
