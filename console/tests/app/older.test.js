// Tests that older events are read in pages, and that no more events are read than the list needs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Older } from "../../app/older.js";
import { Rows } from "../../app/rows.js";
import { Runs } from "../../app/runs.js";
import { Tally } from "../../app/tally.js";
import { parseView } from "../../app/view.js";
import { event, NONE } from "./events.js";

/** @typedef {import("../../app/event.js").AnyEvent} AnyEvent */

/** @param {number} count @param {Partial<AnyEvent>} [more] */
const history = (count, more = {}) =>
  Array.from({ length: count }, (_, i) => {
    const one = event({ id: i + 1, second: i, ...more });
    return { ...one, recorded_at: one.ts };
  });

/**
 * Makes a list with a store. The gateway has the events in `all`, and the feed has delivered the last
 * `delivered` events.
 *
 * @param {ReturnType<typeof history>} all
 * @param {number} delivered
 */
function stage(all, delivered) {
  /** @type {(number | undefined)[]} */
  const asked = [];
  const control = { fails: false };
  const store = {
    feed: { state: "live" },
    events: delivered > 0 ? all.slice(-delivered) : [],
    runs: new Runs(),
    tally: new Tally(),
    query: async (
      /** @type {object} */ _filters,
      /** @type {{ before?: number, limit: number }} */ options,
    ) => {
      asked.push(options.before);
      if (control.fails) throw new Error("no answer");
      const older = all.filter(({ id }) => (id ?? 0) < (options.before ?? Infinity)).reverse();
      const events = older.slice(0, options.limit);
      return { events, next: older.length > events.length ? (events.at(-1)?.id ?? null) : null };
    },
  };
  const list = new Rows();
  list.reset(store.events);
  let changes = 0;
  const context = /** @type {any} */ ({ store, stars: { values: NONE } });
  const older = new Older(context, list, () => changes++);
  return { older, list, asked, control, store, changes: () => changes };
}

/** @param {string} search */
const view = (search) => parseView("/", search);
const all = () => true;

test("each query asks for the events before the oldest event that was read", async () => {
  const events = history(500);
  const { older, list, asked, store } = stage(events, 20);
  store.tally.takeRecent(/** @type {any} */ (events.slice(-20)), false);
  older.reset(view(""), all);
  assert.ok(older.isDue);
  await older.load();
  assert.deepEqual([asked, list.length, older.isDue], [[481], 220, false]);
  await older.load(true);
  assert.deepEqual([asked, list.length], [[481, 281], 420]);
  await older.load(true);
  await older.load(true);
  assert.deepEqual([asked, list.length], [[481, 281, 81], 500], "no query after the last page");
  assert.equal(store.tally.facets.kind.get("workflow_run"), 500, "all events are counted");
});

test("if few events match, a load reads at most ten pages and reports how far back it searched", async () => {
  const { older, list, asked } = stage(history(20_000), 0);
  older.reset(view("?q=needle"), ({ id }) => id === 15_000);
  await older.load();
  assert.equal(asked.length, 10);
  assert.equal(list.length, 1);
  assert.ok(older.searched > 0);
  await older.load(true);
  assert.equal(asked.length, 20, "the next load continues where the last load ended");
  assert.equal(asked[10], 10_001);
});

test("an error stays until the next load, and a load for an earlier view adds nothing", async () => {
  const { older, list, control, changes } = stage(history(100), 0);
  older.reset(view(""), all);
  control.fails = true;
  await older.load();
  assert.match(String(older.error), /no answer/);
  assert.ok(older.isDue);
  control.fails = false;
  const loading = older.load();
  assert.ok(older.isLoading);
  assert.equal(older.error, null);
  older.reset(view("?status=failure"), all);
  await loading;
  assert.deepEqual([list.length, older.isLoading], [0, false]);
  const before = changes();
  await older.load();
  assert.deepEqual(
    [list.length, changes() - before],
    [100, 2],
    "the start and the end of the load are two changes",
  );
});

test("a ping that is marked as a repeat is left out at the beginning of a page, too", async () => {
  const pings = history(700, { source: "agent.ping", kind: "ping", status: "info", meta: { repeat: true } });
  const { older, list, asked } = stage(pings, 1);
  list.reset([]);
  older.reset(view(""), all);
  await older.load();
  assert.deepEqual([asked.length, list.length], [4, 0]);
});

test("repeated pings are left out, and a view with all pings reads the newest events again", async () => {
  const pings = history(50, { source: "agent.ping", kind: "ping", status: "info" });
  const quiet = stage(pings, 1);
  quiet.older.reset(view(""), all);
  await quiet.older.load();
  assert.equal(quiet.list.length, 2);
  const { older, list, asked } = stage(pings, 1);
  older.reset(view("?heartbeats=1"), all);
  await older.load();
  assert.deepEqual([asked, list.length], [[undefined], 50]);
});

test("no older events are read while the feed sends simulated events", async () => {
  const { older, asked, store } = stage(history(100), 0);
  store.feed.state = "mock";
  older.reset(view(""), all);
  await older.load();
  assert.deepEqual(asked, []);
});
