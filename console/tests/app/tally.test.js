// Tests that each event is counted once and in the minute of its arrival, although both the feed and the
// query API may deliver it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Tally } from "../../app/tally.js";
import { event, NOW, START } from "./events.js";

/** @typedef {import("../../app/event.js").AnyEvent} AnyEvent */
/** @typedef {import("../../client/types.js").StoredEvent} StoredEvent */

/** Each event happened an hour before it arrived. */
const STORED = Array.from({ length: 20 }, (_, i) => {
  const one = event({ id: i + 1, second: i - 3_600, kind: i % 2 ? "push" : "deploy", receivedAt: undefined });
  return /** @type {StoredEvent} */ ({ ...one, recorded_at: new Date(START + 1_000 * i).toISOString() });
});

/** As the feed replays events. @param {readonly StoredEvent[]} events @returns {AnyEvent[]} */
const replayed = (events) => events.map(({ recorded_at, meta, ...one }) => one);
/** As the feed delivers live events. @param {readonly StoredEvent[]} events @returns {AnyEvent[]} */
const live = (events) =>
  events.map(({ recorded_at, meta, ...one }) => ({ ...one, receivedAt: Date.parse(recorded_at) + 5 }));

/** @param {Tally} tally */
const counted = ({ rate, facets, total }) => [
  total,
  rate.perMinute(NOW - 1_000),
  facets.kind.get("push"),
  facets.status.get("queued"),
];

test("the replayed events are counted once, whichever of the feed and the query comes first", () => {
  const feedFirst = new Tally();
  feedFirst.take(replayed(STORED));
  assert.deepEqual(counted(feedFirst).slice(0, 2), [0, null], "the times of arrival are not known yet");
  feedFirst.takeRecent(STORED, true);
  assert.deepEqual(counted(feedFirst), [20, 20, 10, 20]);
  const queryFirst = new Tally();
  queryFirst.takeRecent(STORED, true);
  queryFirst.take(replayed(STORED));
  assert.deepEqual(counted(queryFirst), [20, 20, 10, 20]);
});

test("live events that arrive before or after the query are counted once", () => {
  const tally = new Tally();
  tally.take(replayed(STORED.slice(5, 8)));
  tally.take(live(STORED.slice(8, 14)));
  tally.takeRecent(STORED.slice(0, 12), true);
  tally.take(live(STORED.slice(14)));
  assert.deepEqual(counted(tally), [20, 20, 10, 20]);
});

test("older events are counted only if no event between them and the counted events is missing", () => {
  const tally = new Tally();
  tally.takeOlder(STORED.slice(0, 5), 6);
  tally.take(replayed([.../** @type {StoredEvent[]} */ (STORED.slice(0, 2)), ...STORED.slice(12)]));
  tally.takeRecent(STORED.slice(10), false);
  assert.equal(tally.total, 10, "the replay leaves out events between its own events");
  tally.takeOlder(STORED.slice(2, 6), 7);
  assert.equal(tally.total, 10);
  tally.takeOlder(STORED.slice(4, 14), 15);
  tally.takeOlder(STORED.slice(0, 4), 5);
  assert.deepEqual(counted(tally), [20, 20, 10, 20]);
});

test("after a reconnect, the missed events are counted once, even if the query returns few", () => {
  const tally = new Tally();
  tally.takeRecent(STORED.slice(0, 4), true);
  tally.hold();
  tally.take(replayed(STORED.slice(4, 16)));
  tally.take(live(STORED.slice(16)));
  assert.equal(tally.total, 4);
  tally.takeRecent(STORED.slice(10, 18), false);
  assert.deepEqual([tally.total, tally.facets.kind.get("push")], [20, 10]);
});

test("if the query fails, the events of the feed are counted", () => {
  const tally = new Tally();
  tally.take(replayed(STORED.slice(0, 10)));
  tally.take(live(STORED.slice(10)));
  tally.release(START - 60_000);
  assert.equal(tally.total, 20);
});

test("simulated events are always counted, and after clear() every event is counted again", () => {
  const tally = new Tally();
  const simulated = live(STORED).map((one) => ({ ...one, id: null, simulated: true }));
  tally.release(START - 60_000);
  tally.take(simulated);
  tally.take(simulated);
  assert.deepEqual(counted(tally), [40, 40, 20, 40]);
  tally.clear();
  assert.equal(tally.rate.perMinute(NOW), null);
  tally.takeRecent(STORED, true);
  assert.deepEqual(counted(tally), [20, 20, 10, 20]);
});
