// Holds the lines of a room. One list has all lines from a certain line on. If a filter is set, a second list
// has the earlier lines that match the filter, because the gateway finds them faster than the page could read
// all lines.

import { plainText } from "./ansi.js";

/** @typedef {import("../../client/types.js").RoomLine} RoomLine */
/** @typedef {import("../../client/types.js").LogLevel} LogLevel */

/**
 * A line, or a notice between two lines.
 *
 * @typedef {{ line: RoomLine | null, notice: string, open: boolean }} Item
 */
/** @typedef {{ levels: readonly LogLevel[], agents: readonly string[] }} Filter An empty list means all. */

/** The limits on what the page holds. */
export const MOST = 100_000;
const MOST_CHARACTERS = 32_000_000;
/** How many lines are removed at once. Each removal costs time in proportion to the number of lines. */
const SLACK = 5_000;

/** @param {RoomLine} line @returns {Item} */
const itemOf = (line) => ({ line, notice: "", open: false });

/** The text of an item as the page shows it. @param {Item} item */
export const textOf = ({ line, notice }) => (line ? plainText(line.message) : notice);

/** Whether nothing is filtered out. @param {Filter} filter */
export const isAll = ({ levels, agents }) => levels.length === 0 && agents.length === 0;

export class RoomLines {
  /** @type {Item[]} All items from a certain line on, oldest first. */
  #all = [];
  /** @type {Item[]} The earlier items that match the filter, oldest first. */
  #found = [];
  /** @type {Filter} */
  filter = { levels: [], agents: [] };
  /** @type {Item[]} What is shown: items that match the filter, oldest first. */
  shown = [];
  /**
   * The number of the first item that is shown. The number of an item stays the same while the list grows.
   */
  first = 0;
  #characters = 0;
  /** @type {Map<string, number>} The number of lines of each agent type. */
  agents = new Map();
  /** @type {Record<LogLevel, number>} */
  levels = { info: 0, success: 0, warn: 0, error: 0 };

  /** The number of lines and notices, whatever the filter. */
  get length() {
    return this.#all.length;
  }

  /** The id of the line from which on the page holds all lines; null if there is none. */
  get oldest() {
    return this.#all.find((item) => item.line)?.line?.id ?? null;
  }

  /** The id of the oldest line that is shown; null if there is none. */
  get oldestShown() {
    return this.#found[0]?.line?.id ?? this.oldest;
  }

  get newest() {
    for (let at = this.#all.length - 1; at >= 0; at--) {
      const line = this.#all[at]?.line;
      if (line) return line.id;
    }
    return null;
  }

  /** Whether there is no room for earlier lines. */
  get isFull() {
    return this.#all.length + this.#found.length >= MOST || this.#characters >= MOST_CHARACTERS;
  }

  /** @param {number} number */
  at(number) {
    return this.shown[number - this.first];
  }

  clear() {
    this.#all = [];
    this.#found = [];
    this.shown = [];
    this.first = 0;
    this.#characters = 0;
    this.agents.clear();
    this.levels = { info: 0, success: 0, warn: 0, error: 0 };
  }

  /** Sets another filter. Forgets the earlier lines that the last filter found. @param {Filter} filter */
  setFilter(filter) {
    this.filter = filter;
    for (const { line } of this.#found) this.#characters -= line?.message.length ?? 0;
    this.#found = [];
    this.shown = isAll(filter) ? [...this.#all] : this.#all.filter((item) => this.#matches(item));
    this.first = 0;
  }

  /** @param {Item} item */
  #matches({ line }) {
    const { levels, agents } = this.filter;
    if (line === null) return true;
    return (
      (levels.length === 0 || levels.includes(line.level)) &&
      (agents.length === 0 || agents.includes(line.agentType))
    );
  }

  /**
   * Adds new lines. If a page of the newest lines was read before the stream delivered its first lines, these
   * are not added again.
   *
   * @param {readonly RoomLine[]} lines
   * @returns {{ added: Item[], dropped: number }} The items that are shown now, and how many are no longer
   *   shown.
   */
  append(lines) {
    const newest = this.newest ?? -1;
    return this.#append(lines.filter(({ id }) => id > newest).map(itemOf));
  }

  /** Adds a notice. @param {string} notice */
  note(notice) {
    return this.#append([{ line: null, notice, open: false }]);
  }

  /** @param {Item[]} items */
  #append(items) {
    for (const item of items) {
      this.#all.push(item);
      this.#count(item, 1);
    }
    const added = items.filter((item) => this.#matches(item));
    for (const item of added) this.shown.push(item);
    return { added, dropped: this.#trim() };
  }

  /**
   * Adds lines from before all lines that are shown.
   *
   * @param {readonly RoomLine[]} lines Oldest first.
   * @param {boolean} isFiltered Whether the lines are only those that match the filter.
   * @returns {Item[]} The items that are shown now.
   */
  prepend(lines, isFiltered) {
    const before = (isFiltered ? this.oldestShown : this.oldest) ?? Infinity;
    const items = lines.filter(({ id }) => id < before).map(itemOf);
    const added = items.filter((item) => this.#matches(item));
    if (isFiltered) {
      this.#found = [...added, ...this.#found];
      for (const { line } of added) this.#characters += line?.message.length ?? 0;
    } else {
      this.#all = [...items, ...this.#all];
      for (const item of items) this.#count(item, 1);
    }
    this.shown = [...added, ...this.shown];
    this.first -= added.length;
    return added;
  }

  /** Removes the oldest items if there are too many. @returns {number} How many of them were shown. */
  #trim() {
    const length = this.#all.length + this.#found.length;
    if (length <= MOST + SLACK && this.#characters <= 1.1 * MOST_CHARACTERS) return 0;
    let dropped = this.#found.length;
    for (const { line } of this.#found) this.#characters -= line?.message.length ?? 0;
    this.#found = [];
    let count = 0;
    while (this.#all.length - count > MOST || this.#characters > MOST_CHARACTERS) {
      const item = this.#all[count];
      if (!item) break;
      if (this.#matches(item)) dropped += 1;
      this.#count(item, -1);
      count += 1;
    }
    this.#all.splice(0, count);
    this.shown.splice(0, dropped);
    this.first += dropped;
    return dropped;
  }

  /** @param {Item} item @param {1 | -1} by */
  #count({ line }, by) {
    if (!line) return;
    this.#characters += by * line.message.length;
    this.levels[line.level] += by;
    const count = (this.agents.get(line.agentType) ?? 0) + by;
    if (count > 0) this.agents.set(line.agentType, count);
    else this.agents.delete(line.agentType);
  }
}
