import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, duration, exact, moment, short, ticks } from "../../app/time.js";

const MINUTE = 60_000;

test("a duration has at most two units", () => {
  const texts = [0, 999, 1_000, 59_999, MINUTE, 3 * MINUTE + 4_000, 60 * MINUTE, 25 * 60 * MINUTE].map(
    duration,
  );
  assert.deepEqual(texts, ["0 ms", "999 ms", "1 s", "59 s", "1 m 00 s", "3 m 04 s", "1 h 00 m", "1 d 1 h"]);
  assert.equal(duration(-5), "0 ms", "different clocks may give a negative duration");
  assert.deepEqual([5_000, MINUTE, 3 * 60 * MINUTE, 50 * 60 * MINUTE].map(short), ["5s", "1m", "3h", "2d"]);
});

test("a time of day has a fixed width, and a time on another day has a date", () => {
  const at = new Date(2026, 0, 2, 3, 4, 5).getTime();
  assert.equal(clock(at), "03:04:05");
  assert.equal(moment(at, at + MINUTE), "03:04:05");
  assert.match(moment(at, at + 1_440 * MINUTE), /2.*03:04$/);
});

test("an invalid time is shown as a placeholder", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    assert.equal(clock(bad), "--:--:--");
    assert.equal(moment(bad, 0), "unknown");
    assert.equal(exact(bad), "");
  }
});

test("ticks are round, within the range, and limited in number", () => {
  for (const span of [1_500, 90_000, 7 * MINUTE, 300 * MINUTE, 90_000 * MINUTE]) {
    const from = Date.UTC(2026, 4, 5, 6, 7, 8, 9);
    const { step, at } = ticks(from, from + span, 8);
    assert.ok(at.length <= 9, `${span}: ${at.length}`);
    assert.ok(at.every((tick) => tick >= from && tick <= from + span && tick % Math.min(step, MINUTE) === 0));
  }
});
