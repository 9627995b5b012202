// Measures the figures in docs/console.md at 200 and at 1,000 events/s: the delay from the arrival of an
// event to the paint of the event's row, the long tasks, and the size of the heap. OASIS_BIN is the path of
// the binary, and CHROMIUM is the path of the browser.
//
//   OASIS_BIN=target/release/oasis node console/bench/page.js [seconds] [events per second]

import { event, inState, launch, open, Stack, shownIds, until } from "../tests/browser/stack.js";

const SECONDS = Number(process.argv[2] ?? 60);
const KINDS = ["push", "workflow_run", "check_run", "deploy", "task.note"];
const STATUSES = ["queued", "in_progress", "success", "success", "failure", "info"];

/**
 * Runs inside the page. Records when the bytes of an event arrive, and when the event's row is painted. The
 * page adds rows in an animation frame. A row counts as painted when the next task begins, after the layout
 * and paint of that frame. The compositor's time is not included.
 */
function watch() {
  /** @type {Map<number, number>} */
  const arrived = new Map();
  const measured = { delays: /** @type {number[]} */ ([]), long: /** @type {number[]} */ ([]) };
  Object.assign(globalThis, { measured });
  const { read } = ReadableStreamDefaultReader.prototype;
  const decoder = new TextDecoder();
  ReadableStreamDefaultReader.prototype.read = async function () {
    const chunk = await read.call(this);
    const at = performance.now();
    if (chunk.value instanceof Uint8Array) {
      const ids = decoder.decode(chunk.value).matchAll(/^id: ?(\d+)/gm);
      for (const [, id] of ids) arrived.set(Number(id), at);
    }
    return /** @type {any} */ (chunk);
  };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) measured.long.push(duration);
  }).observe({ type: "longtask" });
  addEventListener("DOMContentLoaded", () => {
    new MutationObserver((changes) => {
      const ids = changes.flatMap(({ addedNodes }) =>
        [...addedNodes].map((node) => Number(/** @type {HTMLElement} */ (node).dataset?.id)),
      );
      if (ids.length === 0) return;
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        const at = performance.now();
        for (const id of ids) {
          const from = arrived.get(id);
          if (from !== undefined) measured.delays.push(at - from);
          arrived.delete(id);
        }
        if (arrived.size > 100_000) arrived.clear();
        port1.close();
      };
      port2.postMessage(0);
    }).observe(document.body, { childList: true, subtree: true });
  });
}

/** Sends events at a steady rate. @param {Stack} stack @param {number} rate @param {number} seconds */
async function send(stack, rate, seconds) {
  const begin = performance.now();
  const every = 20;
  let sent = 0;
  let most = 0;
  /** @type {Promise<unknown>[]} */
  const pending = [];
  while (performance.now() - begin < seconds * 1_000) {
    const due = Math.floor(((performance.now() - begin) * rate) / 1_000) - sent;
    most = Math.max(most, due);
    if (due > 0) {
      const events = Array.from({ length: due }, (_, i) => {
        const n = sent + i;
        const run = Math.floor(n / 3) % 400;
        return event({
          source: "github.actions",
          kind: KINDS[n % KINDS.length],
          status: STATUSES[n % STATUSES.length],
          vtid: `DEV-BENCH-${String(1_000 + (n % 300))}`,
          link: `https://github.com/acme/gateway/actions/runs/${run}`,
        });
      });
      sent += due;
      pending.push(stack.send(events));
      if (pending.length > 20) await pending.shift();
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
  await Promise.all(pending);
  return { sent, seconds: (performance.now() - begin) / 1_000 };
}

/** @param {number[]} values @param {number} share */
const quantile = (values, share) =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
const ms = (/** @type {number} */ value) => `${value.toFixed(1)} ms`;

/** @param {number} rate */
async function measure(rate) {
  const stack = await Stack.start();
  const browser = await launch();
  try {
    await stack.send([event()]);
    const { page, faults } = await open(browser, "about:blank");
    await page.addInitScript(watch);
    await page.goto(stack.url);
    await inState(page, "live");
    const session = await page.context().newCDPSession(page);
    const heap = async () => {
      await session.send("HeapProfiler.collectGarbage");
      return page.evaluate(() => /** @type {any} */ (performance).memory.usedJSHeapSize / 1e6);
    };
    // Fill the list first, because the heap grows while the list fills.
    if (rate >= 1_000) {
      await stack.sendMany(56_000);
      await until(async () => ((await shownIds(page))[0] ?? 0) >= 56_000, "the list is full", 120_000);
    }
    await page.evaluate(() => {
      const { measured } = /** @type {any} */ (globalThis);
      measured.delays.length = measured.long.length = 0;
    });
    const heaps = [await heap()];
    const sent = await send(stack, rate, SECONDS / 2);
    // The garbage collection between the two loads is forced, so do not count it as a long task.
    const longBefore = await page.evaluate(() => /** @type {any} */ (globalThis).measured.long.length);
    heaps.push(await heap());
    await page.evaluate(async (length) => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      /** @type {any} */ (globalThis).measured.long.length = length;
    }, longBefore);
    const more = await send(stack, rate, SECONDS / 2);
    const last = (await stack.send([event()]))[0];
    await until(async () => ((await shownIds(page))[0] ?? 0) === last, "the last event is drawn", 60_000);
    const { delays, long } = await page.evaluate(() => /** @type {any} */ (globalThis).measured);
    heaps.push(await heap());
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    console.log(
      `${rate} events/s: sent ${sent.sent + more.sent} events`,
      `in ${(sent.seconds + more.seconds).toFixed(1)} s, drew ${delays.length} of them as rows`,
    );
    console.log(
      `  delay from arrival to paint: median ${ms(quantile(delays, 0.5))},`,
      `95 % ${ms(quantile(delays, 0.95))}, 99 % ${ms(quantile(delays, 0.99))},`,
      `maximum ${ms(quantile(delays, 1))}`,
    );
    console.log(
      `  tasks over 50 ms: ${long.length},`,
      `tasks over 100 ms: ${long.filter((/** @type {number} */ one) => one > 100).length},`,
      `longest task: ${ms(Math.max(0, ...long))}`,
    );
    console.log(
      `  heap after garbage collection: ${heaps.map((one) => one.toFixed(1)).join(" → ")} MB;`,
      `elements in the page: ${nodes}`,
    );
    if (faults.length > 0) console.log(`  errors in the page: ${faults.join("; ")}`);
  } finally {
    await browser.close();
    await stack.remove();
  }
}

for (const rate of process.argv[3] ? [Number(process.argv[3])] : [200, 1_000]) await measure(rate);
