// Shows the lines of a room. Only the lines in sight are in the document. Lines have different heights,
// because long lines wrap. The list follows new lines until the reader scrolls up.

import { h, on } from "../dom.js";
import { Heights } from "./heights.js";
import { lineText, makeLine, toggleDetails } from "./row.js";

/** @typedef {import("./lines.js").Item} Item */

/** The height of a line of text, in pixels. The style sheet has the same number. */
const LINE = 20;
/** The space below the last line. */
const END = 8;
/** How far beyond each edge lines are made, so that fast scrolling shows lines at once. */
const OVERSCAN = 240;
/** A selection keeps at most this many lines in the document. */
const MOST_SELECTED = 2_000;
/** The widths of a character and of all other columns, for estimates of heights. */
const CHARACTER = 7.3;
const MARGIN = 260;

/**
 * @typedef {object} Actions
 * @property {() => void} changed Called when the list follows or pauses, or when the count of unread lines
 *   changes.
 * @property {() => void} top Called when the reader scrolls near the first line.
 */

export class RoomList {
  element;
  #sheet;
  #window = h("div.window", { role: "presentation" });
  #lines;
  #matches;
  #actions;
  #heights = new Heights();
  /** @type {Map<number, HTMLElement>} */
  #made = new Map();
  #follows = true;
  /** The number of lines that arrived since the reader stopped following. */
  unread = 0;
  #wraps = true;
  #frame = 0;
  #viewport = 0;
  #width = 0;
  #top = 0;
  /** The first line in sight, and how far it is scrolled out of sight. */
  #anchor = { number: 0, offset: 0 };

  /**
   * @param {import("./lines.js").RoomLines} lines
   * @param {import("./matches.js").Matches} matches
   * @param {Actions} actions
   */
  constructor(lines, matches, actions) {
    this.#lines = lines;
    this.#matches = matches;
    this.#actions = actions;
    this.#sheet = h("div.log-sheet", { role: "list", "aria-label": "Lines" }, this.#window);
    this.element = h("div.log.wraps", { tabindex: 0, role: "region", "aria-label": "Log" }, this.#sheet);
    on(this.element, "scroll", () => this.#scrolled());
    on(this.element, "click", (event) => this.#clicked(/** @type {Element} */ (event.target)));
    on(this.element, "copy", (event) =>
      this.#copied(/** @type {ClipboardEvent} */ (/** @type {Event} */ (event))),
    );
    on(document, "selectionchange", () => {
      if (this.#selected()) this.pause();
    });
    new ResizeObserver(() => this.#measure()).observe(this.element);
  }

  get follows() {
    return this.#follows;
  }

  get wraps() {
    return this.#wraps;
  }

  /** The number of the first line in sight. */
  get topLine() {
    return this.#lines.first + this.#heights.at(this.#top);
  }

  /** Shows the lines of the model again, after all of them have changed. */
  reset() {
    this.#clear();
    this.#heights.reset(this.#lines.shown.map((item) => this.#estimate(item)));
    if (!this.#follows) this.#anchor = { number: this.#lines.first, offset: 0 };
    this.#soon();
  }

  /** Makes the rows again, because their marks have changed. */
  redraw() {
    this.#clear();
    this.#soon();
  }

  #clear() {
    for (const row of this.#made.values()) row.remove();
    this.#made.clear();
  }

  /**
   * Shows lines at the end, and removes lines at the beginning.
   *
   * @param {Item[]} added
   * @param {number} dropped
   */
  append(added, dropped) {
    this.#heights.append(added.map((item) => this.#estimate(item)));
    if (dropped > 0) this.#heights.drop(dropped);
    if (!this.#follows && added.length > 0) {
      this.unread += added.length;
      this.#actions.changed();
    }
    this.#soon();
  }

  /** Shows lines at the beginning. The lines in sight do not move. @param {Item[]} added */
  prepend(added) {
    this.#heights.prepend(added.map((item) => this.#estimate(item)));
    this.#soon();
  }

  /** @param {boolean} wraps */
  wrap(wraps) {
    this.#wraps = wraps;
    this.element.classList.toggle("wraps", wraps);
    this.#estimateAll();
  }

  pause() {
    if (!this.#follows) return;
    this.#follows = false;
    this.#keepAnchor();
    this.#actions.changed();
  }

  follow() {
    this.#follows = true;
    this.unread = 0;
    const selection = getSelection();
    if (this.#selected()) selection?.removeAllRanges();
    this.#actions.changed();
    this.#soon();
  }

  /** Scrolls so that a line is in the middle. @param {number} number */
  show(number) {
    this.pause();
    const index = number - this.#lines.first;
    // The lines above have estimated heights, so scroll again once the lines in sight are measured.
    for (let pass = 0; pass < 3; pass++) {
      const y = this.#heights.top(index) - this.#viewport / 2 + LINE;
      this.#scrollTo(Math.max(0, y));
      this.#keepAnchor();
      this.#draw();
    }
    this.redraw();
  }

  /** @param {number} by The number of lines. */
  scrollBy(by) {
    this.element.scrollBy({ top: by * LINE });
  }

  /** @param {Item} item */
  #estimate({ line, notice }) {
    const text = line?.message ?? notice;
    const columns = Math.max(20, (this.#width - MARGIN) / CHARACTER);
    if (!text.includes("\n"))
      return this.#wraps ? LINE * Math.max(1, Math.ceil(text.length / columns)) : LINE;
    const parts = text.split("\n");
    if (!this.#wraps) return LINE * parts.length;
    return LINE * parts.reduce((sum, part) => sum + Math.max(1, Math.ceil(part.length / columns)), 0);
  }

  #estimateAll() {
    this.#heights.reset(this.#lines.shown.map((item) => this.#estimate(item)));
    this.redraw();
  }

  #measure() {
    const { clientHeight, clientWidth } = this.element;
    const before = this.#viewport;
    this.#viewport = clientHeight;
    if (clientHeight === 0) return;
    // An element that is removed from the document loses its scroll position.
    if (before === 0) this.#scrollTo(this.#top);
    if (this.#width !== clientWidth) {
      this.#width = clientWidth;
      this.#estimateAll();
    }
    this.#soon();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    if (clientHeight === 0 || this.#viewport === 0) return;
    // The list itself scrolls to this position, so only another position means that the reader has scrolled.
    if (Math.abs(scrollTop - this.#top) < 1) return;
    const isUp = scrollTop < this.#top;
    this.#top = scrollTop;
    this.#keepAnchor();
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 2;
    if (isAtEnd && !isUp) {
      if (!this.#follows) this.follow();
    } else if (isUp) this.pause();
    this.#soon();
  }

  #keepAnchor() {
    const index = this.#heights.at(this.#top);
    this.#anchor = { number: this.#lines.first + index, offset: this.#top - this.#heights.top(index) };
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.element.scrollTop = top;
    this.#top = this.element.scrollTop;
  }

  /** Scrolls to the end, or so that the anchor stays where it is. */
  #settle() {
    const height = this.#heights.total + END;
    this.#sheet.style.height = `${height}px`;
    if (this.#follows) return this.#scrollTo(Math.max(0, height - this.#viewport));
    const index = Math.max(0, this.#anchor.number - this.#lines.first);
    const top = this.#heights.top(index) + this.#anchor.offset;
    if (Math.abs(top - this.#top) >= 1) this.#scrollTo(top);
  }

  #soon() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    if (this.#viewport === 0) return;
    const { first, shown } = this.#lines;
    // Lines may have other heights than estimated, so a pass can bring other lines into sight.
    for (let pass = 0; pass < 3; pass++) {
      this.#settle();
      const selected = this.#selected();
      let from = first + this.#heights.at(this.#top - OVERSCAN);
      let to = Math.min(
        first + shown.length - 1,
        first + this.#heights.at(this.#top + this.#viewport + OVERSCAN),
      );
      if (selected && Math.max(to, selected.to) - Math.min(from, selected.from) <= MOST_SELECTED) {
        from = Math.max(first, Math.min(from, selected.from));
        to = Math.min(first + shown.length - 1, Math.max(to, selected.to));
      }
      this.#fill(from, to);
      if (!this.#measureRows()) break;
    }
    this.#settle();
    if (this.#top < 2 * this.#viewport) this.#actions.top();
  }

  /** Makes the rows of these lines, and removes all others. @param {number} from @param {number} to */
  #fill(from, to) {
    for (const [number, row] of this.#made) {
      if (number >= from && number <= to) continue;
      row.remove();
      this.#made.delete(number);
    }
    /** @type {HTMLElement | null} */
    let above = null;
    for (let number = from; number <= to; number++) {
      let row = this.#made.get(number);
      if (!row) {
        const item = this.#lines.at(number);
        if (!item) continue;
        row = makeLine(item, number, this.#matches);
        this.#made.set(number, row);
        if (above) above.after(row);
        else this.#window.prepend(row);
      }
      above = row;
    }
    const top = this.#heights.top(Math.max(0, from - this.#lines.first));
    this.#window.style.transform = `translateY(${top}px)`;
  }

  /** Returns whether any height has changed. */
  #measureRows() {
    let isChanged = false;
    for (const [number, row] of this.#made) {
      const height = row.getBoundingClientRect().height;
      if (height > 0 && this.#heights.set(number - this.#lines.first, height)) isChanged = true;
    }
    return isChanged;
  }

  /** @param {Element} target */
  #clicked(target) {
    const row = /** @type {HTMLElement | null} */ (target.closest(".line"));
    const item = row && this.#lines.at(Number(row.dataset.number));
    if (!row || !item || !target.closest("button.fold")) return;
    this.pause();
    toggleDetails(row, item);
    this.#soon();
  }

  /** The numbers of the lines that the reader has selected. */
  #selected() {
    const selection = getSelection();
    if (!selection || selection.isCollapsed || !this.element.contains(selection.anchorNode)) return null;
    const numbers = [selection.anchorNode, selection.focusNode].map((node) => {
      const element = node instanceof Element ? node : node?.parentElement;
      const row = /** @type {HTMLElement | null | undefined} */ (element?.closest(".line"));
      return row ? Number(row.dataset.number) : Number.NaN;
    });
    const [a = Number.NaN, b = Number.NaN] = numbers;
    return Number.isNaN(a + b) ? null : { from: Math.min(a, b), to: Math.max(a, b) };
  }

  /**
   * A copy of more than one line contains these lines in full, as in a download.
   *
   * @param {ClipboardEvent} event
   */
  #copied(event) {
    const selected = this.#selected();
    if (!selected || selected.from === selected.to || !event.clipboardData) return;
    event.preventDefault();
    const { first, shown } = this.#lines;
    event.clipboardData.setData(
      "text/plain",
      textOf(shown.slice(selected.from - first, selected.to - first + 1)),
    );
  }
}

/** The lines as text. @param {readonly Item[]} items */
export const textOf = (items) =>
  items.map(({ line, notice }) => (line ? lineText(line) : `${notice}\n`)).join("");
