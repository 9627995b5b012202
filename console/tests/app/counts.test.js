// Tests the counts of events per minute and per value of a field.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rate } from "../../app/rate.js";
import { noteValue } from "../../app/view.js";

const MINUTE = 60_000;
const START = Date.parse("2026-01-02T03:00:00.000Z");

test("minutes without a connection are unknown until their events arrive", () => {
  const rate = new Rate();
  rate.completeSince(START);
  rate.add(START);
  rate.stop(START + 90_000);
  const now = START + 4 * MINUTE + 1;
  assert.deepEqual(rate.minutes(now).slice(-5), [1, 0, null, null, null]);
  rate.resume();
  rate.add(START + 2 * MINUTE);
  assert.deepEqual(rate.minutes(now).slice(-5), [1, 0, 1, 0, 0]);
});

test("the rate is the number of events in the last 60 s", () => {
  const rate = new Rate();
  assert.equal(rate.perMinute(START), null, "nothing is known");
  rate.completeSince(-Infinity);
  for (let second = 0; second < 300; second++) rate.add(START + 1_000 * second, 2);
  assert.equal(rate.perMinute(START + 299_999), 120);
  assert.equal(rate.perMinute(START + 299_000 + 30_000), 60);
  assert.equal(rate.perMinute(START + 299_000 + MINUTE), 0);
  for (let second = 0; second < 300; second++) rate.add(START - 1_000 * second);
  assert.equal(rate.perMinute(START + 299_999), 120, "older events change nothing");
});

test("if less than a minute is known, the rate is estimated, but not from a few events", () => {
  const rate = new Rate();
  rate.completeSince(START);
  rate.add(START, 19);
  assert.equal(rate.perMinute(START + 10_000), 19);
  rate.add(START + 5_000, 81);
  assert.equal(rate.perMinute(START + 10_000), 600);
  assert.equal(rate.perMinute(START + 59_999), 100);
});

test("beyond the limit, the newest values are kept, and an older event replaces none of them", () => {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (let i = 0; i < 300; i++) noteValue(counts, `DEV-CICDL-${i}`);
  noteValue(counts, "DEV-CICDL-299");
  assert.equal(counts.size, 200);
  assert.equal(counts.get("DEV-CICDL-299"), 2);
  assert.ok(!counts.has("DEV-CICDL-99") && counts.has("DEV-CICDL-100"));
  noteValue(counts, "DEV-CICDL-1", true);
  assert.ok(!counts.has("DEV-CICDL-1"));
  noteValue(counts, "DEV-CICDL-100", true);
  assert.equal(counts.get("DEV-CICDL-100"), 2);
  noteValue(counts, "DEV-CICDL-500");
  assert.ok(!counts.has("DEV-CICDL-100"), "an older event does not make a value recent");
});
