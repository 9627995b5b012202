// Tests that an event is counted once, although both the feed and the query API may deliver it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Tally } from "../../app/tally.js";
import { event, NOW } from "./events.js";

/** @typedef {import("../../client/types.js").OasisEvent} OasisEvent */
/** @typedef {import("../../client/types.js").StoredEvent} StoredEvent */

const ALL = Array.from({ length: 20 }, (_, i) => {
  const one = event({ id: i + 1, second: i, kind: i % 2 ? "push" : "deploy" });
  return /** @type {OasisEvent & StoredEvent} */ ({ ...one, recorded_at: one.ts });
});

/** @param {Tally} tally */
const counted = ({ rate, facets }) => [
  rate.minutes(NOW).reduce((sum, count) => (sum ?? 0) + (count ?? 0), 0),
  facets.kind.get("push"),
  facets.status.get("queued"),
];

test("an event from both the feed and a query is counted once, in either order", () => {
  const feedFirst = new Tally();
  feedFirst.take(ALL, true);
  feedFirst.takeOlder(ALL);
  assert.deepEqual(counted(feedFirst), [20, 10, 20]);
  const queryFirst = new Tally();
  queryFirst.takeOlder(ALL);
  queryFirst.take(ALL, true);
  assert.deepEqual(counted(queryFirst), [20, 10, 20]);
});

test("a query adds only the events that the feed has not delivered", () => {
  const tally = new Tally();
  tally.take(ALL.slice(8, 12), true);
  tally.takeOlder(ALL.slice(4, 16));
  tally.takeOlder(ALL.slice(0, 4));
  tally.take(ALL.slice(12), false);
  assert.deepEqual(counted(tally), [20, 10, 20]);
});

test("simulated events are always counted, and after clear() every event is counted again", () => {
  const tally = new Tally();
  const simulated = ALL.map((one) => ({ ...one, id: null, simulated: true }));
  tally.take(simulated, false);
  tally.take(simulated, false);
  assert.deepEqual(counted(tally), [40, 20, 40]);
  tally.clear();
  tally.take(ALL, true);
  assert.deepEqual(counted(tally), [0, 10, 20], "after a replay alone, the counts per minute are unknown");
  tally.take(ALL, false);
  assert.deepEqual(counted(tally), [20, 10, 20]);
});
