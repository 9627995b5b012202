// Lays out a journey: computes the position of each item on the time axis, and the row of each item.

import { kindWords } from "./kinds.js";

/** @typedef {import("./journey.js").Item} Item */

/** A pause is folded if it fills at least this share of the axis. */
const LONG = 0.3;
/** The width of a folded pause, as a share of the axis. */
const FOLDED = 0.05;

/**
 * Makes the scale that maps an instant to a position on the axis, from 0 to 1. A pause is a time in which no
 * item runs. Long pauses are folded.
 *
 * @param {readonly Item[]} items
 * @param {number} now
 * @param {number} [inset] The share of the axis that stays free at the left end.
 */
export function toScale(items, now, inset = 0) {
  const spans = items
    .map((item) => /** @type {[number, number]} */ ([item.from, item.to ?? now]))
    .sort((a, b) => a[0] - b[0]);
  const from = spans[0]?.[0] ?? now;
  const to = Math.max(from + 1_000, ...spans.map((span) => span[1]));
  /** @type {[number, number][]} */
  const pauses = [];
  let end = from;
  for (const [begin, stop] of spans) {
    if (begin > end) pauses.push([end, begin]);
    end = Math.max(end, stop);
  }
  // A pause is compared with the time that is not folded yet. Each fold reduces this time, so the longest
  // pause is folded first.
  const byLength = [...pauses].sort((a, b) => b[1] - b[0] - (a[1] - a[0]));
  let left = to - from;
  /** @type {Set<[number, number]>} */
  const folded = new Set();
  for (const pause of byLength) {
    const length = pause[1] - pause[0];
    if (length < LONG * left || folded.size >= 8) break;
    folded.add(pause);
    left -= length;
  }
  const share = 1 - inset - folded.size * FOLDED;
  /** @type {{ from: number, to: number, at: number, width: number, folded: boolean }[]} */
  const parts = [];
  let place = inset;
  let time = from;
  const add = (/** @type {number} */ until, /** @type {number} */ width, /** @type {boolean} */ isFolded) => {
    parts.push({ from: time, to: until, at: place, width, folded: isFolded });
    place += width;
    time = until;
  };
  const whole = Math.max(1, left);
  for (const pause of pauses) {
    if (!folded.has(pause)) continue;
    add(pause[0], (share * (pause[0] - time)) / whole, false);
    add(pause[1], FOLDED, true);
  }
  add(to, 1 - place, false);
  /** @param {number} at */
  const scale = (at) => {
    const part = parts.find((part) => at <= part.to) ?? parts.at(-1);
    if (!part) return 0;
    const length = part.to - part.from;
    return Math.min(1, Math.max(0, part.at + (length === 0 ? 0 : (part.width * (at - part.from)) / length)));
  };
  return { scale, parts, from, to };
}

/** If more items of a lane than this have the same name, they share rows. Each row shows the name once. */
const MANY = 6;

/** @param {Item} item */
const nameOfRow = (item) => (item.point ? kindWords(item.event.kind) : item.name);

/**
 * Returns the names that more than `MANY` items of a lane have, as texts of lane and name: `checks CI`.
 *
 * @param {readonly Item[]} items
 */
export function manyOf(items) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const item of items) {
    const key = `${item.lane} ${nameOfRow(item)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return new Set([...counts].flatMap(([key, count]) => (count > MANY ? key : [])));
}

/**
 * Assigns the items of a lane to rows in which no bars overlap.
 *
 * @param {readonly Item[]} items Sorted by start time.
 * @param {(at: number) => number} scale
 * @param {number} now
 * @param {(item: Item, row: string) => number} labelOf Returns the width of a label as a share of the axis.
 * @param {ReadonlySet<string>} [many] The result of manyOf().
 * @param {number} [least] The width of the shortest bar, as a share of the axis.
 */
export function toRows(items, scale, now, labelOf, many = new Set(), least = 0.01) {
  /**
   * For each row, `bar` is the end of the last bar, and `end` is the end of the last bar or label.
   *
   * @type {{ name: string, end: number, bar: number, last: { labelled: boolean } }[]}
   */
  const rows = [];
  return items.map((item) => {
    const name = many.has(`${item.lane} ${nameOfRow(item)}`) ? nameOfRow(item) : "";
    const left = scale(item.from);
    const right = scale(item.to ?? now);
    const label = labelOf(item, name);
    const bar = Math.max(right, left + least);
    // A label that would cross the right edge of the axis ends at the right end of its bar.
    const flip = left + Math.max(right - left, label) > 1;
    const begin = flip ? Math.min(left, right - label) : left;
    const placed = { item, row: 0, name, left, right, flip, labelled: true };
    placed.row = rows.findIndex(
      (taken) => taken.name === name && (name ? taken.bar <= left : taken.end <= begin),
    );
    if (placed.row < 0) placed.row = rows.length;
    const taken = rows[placed.row];
    // In a row that items with the same name share, a label that does not fit is left out.
    placed.labelled = !taken || taken.bar <= begin;
    placed.flip &&= placed.labelled;
    if (taken && taken.end > begin) taken.last.labelled = false;
    const end = flip || !placed.labelled ? bar : Math.max(bar, left + label);
    rows[placed.row] = { name, bar: bar + 0.002, end: end + 0.008, last: placed };
    return placed;
  });
}
