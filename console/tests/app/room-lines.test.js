import assert from "node:assert/strict";
import { test } from "node:test";
import { readLog } from "../../app/rooms/download.js";
import { Heights } from "../../app/rooms/heights.js";
import { RoomLines } from "../../app/rooms/lines.js";
import { Matches } from "../../app/rooms/matches.js";
import { pick, seeded } from "../client/clock.js";

/** @param {number} id @param {Partial<import("../../client/types.js").RoomLine>} [more] */
const line = (id, more = {}) => ({
  id,
  timestamp: "2026-01-02T03:04:05.678Z",
  agentType: "deploy",
  level: /** @type {const} */ ("info"),
  message: `line ${id}`,
  metadata: null,
  vtid: null,
  ...more,
});
/** @param {number} from @param {number} to */
const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => line(from + at));
/** @param {readonly import("../../app/rooms/lines.js").Item[]} items */
const ids = (items) => items.map((item) => item.line?.id ?? item.notice);

test("earlier lines come before, and lines that are there already do not come again", () => {
  const room = new RoomLines();
  room.append(lines(10, 12));
  assert.deepEqual(ids(room.prepend(lines(7, 10), false)), [7, 8, 9]);
  assert.deepEqual(ids(room.shown), [7, 8, 9, 10, 11, 12]);
  assert.deepEqual([room.first, room.oldest, room.newest], [-3, 7, 12]);
  assert.deepEqual([room.at(0)?.line?.id, room.at(-3)?.line?.id, room.at(3)], [10, 7, undefined]);
  assert.deepEqual(ids(room.append(lines(11, 13)).added), [13], "the stream may repeat lines of a page");
});

test("a filter hides lines, and keeps notices", () => {
  const room = new RoomLines();
  room.append([line(1), line(2, { level: "error" }), line(3, { level: "error", agentType: "code" })]);
  room.note("a gap");
  room.setFilter({ levels: ["error"], agents: ["code"] });
  assert.deepEqual(ids(room.shown), [3, "a gap"]);
  const { added } = room.append([line(4), line(5, { level: "error", agentType: "code" })]);
  assert.deepEqual(ids(added), [5]);
  room.setFilter({ levels: [], agents: [] });
  assert.deepEqual(ids(room.shown), [1, 2, 3, "a gap", 4, 5]);
  assert.deepEqual(
    [...room.agents],
    [
      ["deploy", 3],
      ["code", 2],
    ],
  );
  assert.deepEqual(room.levels, { info: 2, success: 0, warn: 0, error: 3 });
});

test("earlier lines that a filter found are forgotten with the filter, so that no hole is shown", () => {
  const room = new RoomLines();
  room.append(lines(100, 101));
  room.setFilter({ levels: ["error"], agents: [] });
  room.prepend([line(3, { level: "error" }), line(50, { level: "error" })], true);
  assert.deepEqual([ids(room.shown), room.oldest, room.oldestShown], [[3, 50], 100, 3]);
  room.setFilter({ levels: [], agents: [] });
  assert.deepEqual(ids(room.shown), [100, 101]);
  room.prepend(lines(40, 99), false);
  assert.equal(room.shown.length, 62);
});

test("the page holds at most 100,000 lines and drops the oldest ones", () => {
  const room = new RoomLines();
  let shown = 0;
  for (let from = 1; from <= 120_000; from += 1_000) {
    const { added, dropped } = room.append(lines(from, from + 999));
    shown += added.length - dropped;
    assert.equal(room.shown.length, shown);
  }
  assert.ok(room.length <= 105_000 && room.length >= 100_000, String(room.length));
  assert.equal(room.newest, 120_000);
  assert.equal(room.at(119_999)?.line?.id, 120_000, "the numbers of the lines stay");
  assert.equal(room.first, room.oldest === null ? -1 : room.oldest - 1);
  assert.equal(room.isFull, true);
  const large = new RoomLines();
  for (let id = 1; id <= 6_000; id++) large.append([line(id, { message: "x".repeat(8_000) })]);
  assert.ok(large.length < 4_500 && large.newest === 6_000, String(large.length));
});

test("the model agrees with a simple one in any order of changes", () => {
  const random = seeded(3);
  for (let round = 0; round < 200; round++) {
    const room = new RoomLines();
    const matches = new Matches();
    /** @type {ReturnType<typeof line>[]} */
    const all = [];
    let level = "";
    let first = 1_000;
    let next = 1_000;
    const make = (/** @type {number} */ id) =>
      line(id, { level: random() < 0.5 ? "error" : "info", message: `${id % 3}` });
    for (let step = 0; step < 20; step++) {
      const kind = pick(random, 0, 3);
      const count = pick(random, 0, 5);
      if (kind === 0) {
        const more = Array.from({ length: count }, () => make(next++));
        all.push(...more);
        const { added } = room.append(more);
        matches.append(added, room.first + room.shown.length - added.length);
      } else if (kind === 1) {
        const more = Array.from({ length: count }, () => make(--first)).reverse();
        all.unshift(...more);
        matches.prepend(room.prepend(more, false), room.first);
      } else if (kind === 2) {
        level = level ? "" : "error";
        room.setFilter({ levels: level ? ["error"] : [], agents: [] });
        matches.search(matches.query, room.shown, room.first);
      } else matches.search(String(pick(random, 0, 3)), room.shown, room.first);
      const expected = all.filter((one) => level === "" || one.level === level);
      assert.deepEqual(
        ids(room.shown),
        expected.map(({ id }) => id),
      );
      const found = matches.query ? expected.filter(({ message }) => message.includes(matches.query)) : [];
      assert.equal(matches.count, found.length);
      matches.current = null;
      const visited = [];
      for (let at = matches.go(1, room.first); at !== null; at = matches.go(1, room.first))
        visited.push(room.at(at)?.line?.id);
      assert.deepEqual(
        visited,
        found.map(({ id }) => id),
      );
      const back = [];
      for (let at = matches.go(-1, 0); at !== null; at = matches.go(-1, 0)) back.push(room.at(at)?.line?.id);
      assert.deepEqual(
        back,
        found
          .map(({ id }) => id)
          .slice(0, -1)
          .reverse(),
      );
    }
  }
});

test("the search ignores letter case and colours, and special characters are text", () => {
  const room = new RoomLines();
  room.append([
    line(1, { message: "Fail\u001b[31mED (a+b)\u001b[0m" }),
    line(2, { message: "failed [x] failed" }),
  ]);
  room.note("failed, but this is a notice");
  const matches = new Matches();
  for (const [query, count] of /** @type {const} */ ([
    ["failed", 2],
    ["(A+B)", 1],
    ["[x]", 1],
    [".*", 0],
    ["31m", 0],
    ["\\", 0],
  ])) {
    matches.search(query, room.shown, room.first);
    assert.equal(matches.count, count, query);
  }
  matches.search("failed", room.shown, room.first);
  assert.deepEqual(matches.marks("failed [x] failed"), [
    [0, 6],
    [11, 17],
  ]);
  assert.equal(matches.go(1, 0), 0);
  assert.deepEqual([matches.position, matches.count], [1, 2]);
  matches.drop(1);
  assert.deepEqual([matches.position, matches.count, matches.current], [0, 1, null]);
});

test("positions follow from heights, after any change", () => {
  const random = seeded(9);
  for (let round = 0; round < 100; round++) {
    const heights = new Heights();
    /** @type {number[]} */
    let plain = [];
    for (let step = 0; step < 30; step++) {
      const some = Array.from({ length: pick(random, 0, 300) }, () => 20 * pick(random, 1, 4));
      const kind = pick(random, 0, 3);
      if (kind === 0) {
        heights.append(some);
        plain.push(...some);
      } else if (kind === 1) {
        heights.prepend(some);
        plain = [...some, ...plain];
      } else if (kind === 2) {
        const count = Math.min(plain.length, some.length);
        heights.drop(count);
        plain.splice(0, count);
      } else if (plain.length > 0) {
        const index = pick(random, 0, plain.length - 1);
        assert.equal(heights.set(index, 33), plain[index] !== 33);
        plain[index] = 33;
      }
      const total = plain.reduce((sum, height) => sum + height, 0);
      assert.deepEqual([heights.length, heights.total], [plain.length, total]);
      if (plain.length === 0) continue;
      const index = pick(random, 0, plain.length - 1);
      const top = plain.slice(0, index).reduce((sum, height) => sum + height, 0);
      assert.equal(heights.top(index), top);
      assert.equal(heights.at(top), index);
      assert.equal(heights.at(top + (plain[index] ?? 0) - 1), index);
    }
    assert.equal(heights.at(-100), 0);
    assert.equal(heights.at(1e9), Math.max(0, plain.length - 1));
  }
});

test("a download reads the log from its first line to the newest line at that time", async () => {
  const stored = lines(5, 2_503);
  const control = new AbortController();
  /** @type {(number | undefined)[]} */
  const asked = [];
  /** @type {typeof import("../../client/roomquery.js").queryLines} */
  const query = async (_room, { after = 0, limit = 0 } = {}) => {
    asked.push(after);
    const rest = stored.filter(({ id }) => id > after);
    stored.push(line(stored.length + 5));
    const page = rest.slice(0, limit);
    return { lines: page, cursor: page.at(-1)?.id ?? null, more: rest.length > page.length };
  };
  /** @type {number[]} */
  const shares = [];
  const options = { token: undefined, last: 2_500, signal: control.signal };
  const log = await readLog(query, "a", options, (count, share) => shares.push(count, share));
  const text = await log.text();
  assert.equal(text.split("\n").length, 2_497);
  assert.match(text, /^2026-01-02T03:04:05.678Z deploy INFO line 5\n/);
  assert.match(text, /line 2500\n$/);
  assert.deepEqual(asked, [0, 1_004, 2_004]);
  assert.deepEqual(shares, [1_000, 999 / 2_495, 2_000, 1_999 / 2_495, 2_496, 1]);
});
