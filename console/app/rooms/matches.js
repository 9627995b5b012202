// The search in the lines that the page holds: which lines contain the text, and where in a line.

import { textOf } from "./lines.js";

/** @typedef {import("./lines.js").Item} Item */

/** The maximum number of marked places in one line. */
const MOST_MARKS = 200;

export class Matches {
  query = "";
  /** @type {number[]} The numbers of the lines that contain the text, in ascending order. */
  #numbers = [];
  /** @type {RegExp | null} */
  #pattern = null;
  /** @type {number | null} The number of the line to which the reader went last. */
  current = null;

  get count() {
    return this.#numbers.length;
  }

  /** The position of the current line among the matches, from 1 on; 0 if there is no current line. */
  get position() {
    return this.current === null ? 0 : this.#numbers.indexOf(this.current) + 1;
  }

  /**
   * Searches all lines for a text, regardless of case.
   *
   * @param {string} query
   * @param {readonly Item[]} items
   * @param {number} first The number of the first item.
   */
  search(query, items, first) {
    this.query = query;
    this.current = null;
    this.#pattern = query === "" ? null : new RegExp(query.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), "gi");
    this.#numbers = this.#found(items, first);
  }

  /** @param {readonly Item[]} items @param {number} first */
  append(items, first) {
    for (const number of this.#found(items, first)) this.#numbers.push(number);
  }

  /**
   * @param {readonly Item[]} items
   * @param {number} first
   * @returns {boolean} Whether any of the lines matches.
   */
  prepend(items, first) {
    const found = this.#found(items, first);
    this.#numbers = [...found, ...this.#numbers];
    return found.length > 0;
  }

  /** Forgets the lines before this number. @param {number} first */
  drop(first) {
    const kept = this.#numbers.findIndex((number) => number >= first);
    if (kept !== 0) this.#numbers.splice(0, kept < 0 ? this.#numbers.length : kept);
    if (this.current !== null && this.current < first) this.current = null;
  }

  /** @param {readonly Item[]} items @param {number} first */
  #found(items, first) {
    const pattern = this.#pattern;
    if (!pattern) return [];
    const found = [];
    for (const [i, item] of items.entries()) {
      pattern.lastIndex = 0;
      if (item.line && pattern.test(textOf(item))) found.push(first + i);
    }
    return found;
  }

  /**
   * Goes to the next match.
   *
   * @param {1 | -1} by Down or up.
   * @param {number} from The number at which to begin if there is no current line.
   * @returns {number | null} Its number; null if there is no match in this direction.
   */
  go(by, from) {
    const at = this.current ?? from - by;
    const after = this.#numbers.findIndex((number) => number >= at + Number(by > 0));
    const index = by > 0 ? after : (after < 0 ? this.count : after) - 1;
    const next = this.#numbers[index];
    if (next === undefined) return null;
    this.current = next;
    return next;
  }

  /** Where a line contains the text: the start and the end of each place. @param {string} text */
  marks(text) {
    /** @type {[number, number][]} */
    const marks = [];
    if (!this.#pattern) return marks;
    // Without this line, `matchAll` would begin where the last call of `test` ended.
    this.#pattern.lastIndex = 0;
    for (const { index, 0: found } of text.matchAll(this.#pattern)) {
      marks.push([index, index + found.length]);
      if (marks.length >= MOST_MARKS) break;
    }
    return marks;
  }
}
