import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff, FIRST_MS, MOST_MS } from "../../client/backoff.js";
import { seeded } from "./clock.js";

test("the wait doubles up to its maximum, and reset() sets the wait to 1 s again", () => {
  const least = new Backoff(() => 0);
  const waits = Array.from({ length: 8 }, () => least.next());
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
  least.reset();
  assert.equal(least.next(), 1_000);
  const most = new Backoff(() => 1);
  assert.deepEqual(
    Array.from({ length: 7 }, () => most.next()),
    [1_500, 3_000, 6_000, 12_000, 24_000, 30_000, 30_000],
  );
});

test("the waits are random and stay between the minimum and the maximum", () => {
  const backoff = new Backoff(seeded(7));
  const waits = Array.from({ length: 5_000 }, () => backoff.next());
  assert.ok(waits.every((wait) => wait >= FIRST_MS && wait <= MOST_MS));
  assert.ok(new Set(waits).size > 3_000);
});

test("the wait that the server asks for becomes the first wait, but is limited to 5 minutes", () => {
  const backoff = new Backoff(() => 0);
  backoff.ask(60_000);
  assert.deepEqual([backoff.next(), backoff.next()], [60_000, 60_000]);
  backoff.ask(3_000);
  backoff.reset(3_000);
  assert.deepEqual([backoff.next(), backoff.next()], [3_000, 6_000]);
  backoff.reset();
  assert.equal(backoff.next(), 1_000, "without a retry field, the first wait is 1 s");
  backoff.reset(0);
  assert.equal(backoff.next(), 100, "the wait is at least 100 ms");
  backoff.reset(Number.POSITIVE_INFINITY);
  assert.equal(backoff.next(), 300_000, "the wait is at most 5 minutes");
});
