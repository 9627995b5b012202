// Which events of a long list are shown, and which wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rows } from "../../app/rows.js";
import { event } from "./events.js";

/** @param {number} from @param {number} count */
const some = (from, count) => Array.from({ length: count }, (_, i) => event({ id: from + i }));

/** The ids of what is shown, and how many wait. @param {Rows} rows */
const seen = (rows) => {
  const ids = [];
  for (let number = rows.top; number >= rows.first; number--) ids.push(rows.at(number)?.id);
  return [ids, rows.waiting];
};

test("new events wait until they are asked for", () => {
  const rows = new Rows();
  rows.reset(some(1, 3));
  assert.deepEqual(seen(rows), [[3, 2, 1], 0]);
  assert.ok(rows.push(some(4, 2), true));
  assert.deepEqual(seen(rows), [[3, 2, 1], 2]);
  rows.showAll();
  assert.deepEqual(seen(rows), [[5, 4, 3, 2, 1], 0]);
});

test("what was asked for keeps every number, and is not shown twice if the feed brings it", () => {
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
  assert.deepEqual(seen(rows), [[7, 6, 5, 6, 5, 4, 3, 2, 1], 0], "the list itself began with 5 and 6");
});

test("there is a bound: the oldest go, unless what is shown has to stay", () => {
  const rows = new Rows();
  rows.reset(some(1, 50_000));
  rows.push(some(50_001, 5_000), false);
  assert.equal(rows.length, 55_000, "cutting is not done for few");
  rows.push(some(55_001, 1), false);
  rows.showAll();
  assert.deepEqual([rows.length, rows.oldest?.id, rows.at(rows.top)?.id], [50_000, 5_002, 55_001]);
  assert.equal(rows.first, 5_001);
  rows.push(some(55_002, 5_001), true);
  assert.deepEqual(
    [rows.length, rows.waiting, rows.isBroken],
    [50_000, 5_001, true],
    "no room: they are missed",
  );
  rows.push(some(60_003, 1), true);
  assert.equal(rows.waiting, 5_002, "what follows a gap would stand in the wrong place");
  rows.prepend(some(1, 10));
  assert.equal(rows.length, 50_000, "nor is there room for older ones");
  rows.reset(some(1, 60_000));
  assert.deepEqual([rows.length, rows.oldest?.id, rows.waiting, rows.isBroken], [50_000, 10_001, 0, false]);
});

test("numbers begin again from 0", () => {
  const rows = new Rows();
  rows.reset(some(1, 50_000));
  rows.push(some(50_001, 6_000), false);
  rows.showAll();
  const shown = rows.at(rows.top)?.id;
  const by = rows.renumber();
  assert.deepEqual([by, rows.first, rows.top, rows.at(rows.top)?.id], [6_000, 0, 49_999, shown]);
});
