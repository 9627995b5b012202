// Measures a page of 50 components while it gets 1,000 events per second. Each component keeps the last 100
// events, shows the last ten of them, and has a handler that gets each event.
//
// Other programs of the machine make tasks longer, so the test limits the processor time of the tasks. The
// durations that the page itself sees are printed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve, show, VERSIONS } from "../react-stage.js";
import { ENV, emit, mint, workload } from "../resources.js";
import { until } from "../stack.js";
import { stage } from "../stage.js";

const { stack, browser } = await stage(ENV);
const SECONDS = 10;
/** The events that are sent at once, and how often they are sent. */
const BATCH = 50;
const EVERY_MS = 50;

/** The longest processor times of the page's tasks, in milliseconds. @param {Buffer} trace */
function longestTasks(trace) {
  const { traceEvents } = JSON.parse(trace.toString());
  const mains = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(
    ({ name, pid, tid, tdur }) => name === "RunTask" && tdur !== undefined && mains.has(`${pid} ${tid}`),
  );
  assert.ok(tasks.length > 1_000, `the trace has ${tasks.length} tasks`);
  return tasks
    .map(({ tdur }) => Math.round(tdur / 100) / 10)
    .sort((a, b) => b - a)
    .slice(0, 5);
}

for (const version of VERSIONS) {
  test(`React ${version}: 1,000 events/s keep a page of 50 components without a task over 50 ms`, {
    timeout: 120_000,
  }, async () => {
    const address = await serve("react-page.js", version, "production");
    const views = Array.from({ length: 50 }, (_, i) => ({ workload_id: i % 2 ? "a" : ["b", "a"] }));
    const { page, inState, faults, close } = await show(browser, address, {
      url: stack.url,
      token: mint("alice"),
      views,
      restless: 1_000,
      rows: 10,
    });
    await inState("connected");
    await page.evaluate(() => {
      globalThis.long = [];
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) globalThis.long.push(Math.round(duration));
      }).observe({ type: "longtask" });
    });
    await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "__metadata"] });
    let sent = 0;
    const begin = Date.now();
    while (sent < SECONDS * 1_000) {
      const batch = Array.from({ length: BATCH }, () => workload("a", "Running", { message: `${++sent}` }));
      await emit(stack, ...batch);
      const next = begin + (sent / BATCH) * EVERY_MS;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - Date.now())));
    }
    const rate = Math.round((sent / (Date.now() - begin)) * 1_000);
    const count = () => page.evaluate(() => globalThis.count);
    await until(async () => (await count()) === sent * views.length, "each component got each event");
    const tasks = longestTasks(await browser.stopTracing());
    const long = await page.evaluate(() => globalThis.long);
    console.log(
      `React ${version}: ${rate} events/s; the longest tasks took ${tasks.join(", ")} ms of CPU time; ` +
        `${long.length} tasks took over 50 ms: ${long.join(", ")}`,
    );
    assert.ok((tasks[0] ?? 0) <= 50, `a task took ${tasks[0]} ms`);
    assert.deepEqual(faults, []);
    await close();
  });
}
