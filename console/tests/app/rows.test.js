// Tests which rows of a long list are shown, and which new rows are held back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rows } from "../../app/rows.js";
import { event } from "./events.js";

/** @param {number} from @param {number} count */
const some = (from, count) => Array.from({ length: count }, (_, i) => event({ id: from + i }));

/** Returns the shown ids, and the number of events that are held back. @param {Rows} rows */
const seen = (rows) => {
  const ids = [];
  for (let number = rows.top; number >= rows.first; number--) ids.push(rows.at(number)?.id);
  return [ids, rows.waiting];
};

test("new events are held back until showAll() is called", () => {
  const rows = new Rows();
  rows.reset(some(1, 3));
  assert.deepEqual(seen(rows), [[3, 2, 1], 0]);
  assert.ok(rows.push(some(4, 2), true));
  assert.deepEqual(seen(rows), [[3, 2, 1], 2]);
  rows.showAll();
  assert.deepEqual(seen(rows), [[5, 4, 3, 2, 1], 0]);
});

test("prepend() keeps the numbers of the rows, and push() does not add a prepended event again", () => {
  const rows = new Rows();
  rows.reset(some(5, 2));
  const { top } = rows;
  rows.prepend(some(1, 4));
  assert.equal(rows.top, top);
  assert.equal(rows.at(top)?.id, 6);
  assert.equal(rows.oldest?.id, 1);
  assert.ok(!rows.push(some(3, 2), false));
  assert.ok(rows.push(some(3, 5), false));
  rows.showAll();
  assert.deepEqual(
    seen(rows),
    [[7, 6, 5, 6, 5, 4, 3, 2, 1], 0],
    "push() skips only the events that prepend() has added",
  );
});

test("the list is bounded: the oldest events are dropped, unless the shown events must stay", () => {
  const rows = new Rows();
  rows.reset(some(1, 50_000));
  rows.push(some(50_001, 5_000), false);
  assert.equal(rows.length, 55_000, "a small excess is allowed");
  rows.push(some(55_001, 1), false);
  rows.showAll();
  assert.deepEqual([rows.length, rows.oldest?.id, rows.at(rows.top)?.id], [50_000, 5_002, 55_001]);
  assert.equal(rows.first, 5_001);
  rows.push(some(55_002, 5_001), true);
  assert.deepEqual(
    [rows.length, rows.waiting, rows.isBroken],
    [50_000, 5_001, true],
    "without room, new events are dropped",
  );
  rows.push(some(60_003, 1), true);
  assert.equal(rows.waiting, 5_002, "after dropped events, no newer event is added");
  rows.prepend(some(1, 10));
  assert.equal(rows.length, 50_000, "no older events are added to a full list");
  rows.reset(some(1, 60_000));
  assert.deepEqual([rows.length, rows.oldest?.id, rows.waiting, rows.isBroken], [50_000, 10_001, 0, false]);
});

test("renumbering starts from 0 again and keeps the order", () => {
  const rows = new Rows();
  rows.reset(some(1, 50_000));
  rows.push(some(50_001, 6_000), false);
  rows.showAll();
  const shown = rows.at(rows.top)?.id;
  const by = rows.renumber();
  assert.deepEqual([by, rows.first, rows.top, rows.at(rows.top)?.id], [6_000, 0, 49_999, shown]);
});
