import assert from "node:assert/strict";
import { test } from "node:test";

import { childOf, Timers } from "../../client/timers.js";
import { Clock } from "./clock.js";

test("an infinite delay becomes the longest possible delay", () => {
  const clock = new Clock();
  const timers = new Timers(clock);
  timers.after(Number.POSITIVE_INFINITY, new AbortController().signal, () => {});
  // A timer with a longer delay fires at once in browsers and in Node.
  assert.deepEqual([...clock.asked.keys()], [2 ** 31 - 1]);
});

test("an abort cancels the timers of its signal, and no timer is set for an aborted signal", async () => {
  const clock = new Clock();
  const timers = new Timers(clock);
  const controller = new AbortController();
  const { controller: child, free } = childOf(controller.signal);
  let fired = 0;
  timers.after(5, child.signal, () => {
    fired += 1;
  });
  const slept = timers.sleep(10, child.signal);
  assert.equal(clock.pending, 2);
  clock.advance(5);
  assert.equal(fired, 1);
  controller.abort();
  await slept;
  await timers.sleep(10, child.signal);
  timers.after(10, child.signal, () => assert.fail("fired"));
  assert.equal(clock.pending, 0);
  free();
  assert.ok(childOf(controller.signal).controller.signal.aborted);
});
