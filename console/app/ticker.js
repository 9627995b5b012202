// Shows a list of events. Only the rows in sight are in the document, and all rows have the same height. The
// rows do not move while the reader uses the list: new events wait while the list is scrolled or paused, and
// for some seconds after the last use of the pointer or the keyboard.

import { closest, h, on, part } from "./dom.js";
import { Pointer } from "./pointer.js";
import { completeRow, makeRow, tickerHead } from "./row.js";
import { Rows } from "./rows.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/** The number of extra rows beyond each edge, so that fast scrolling shows rows at once. */
const OVERSCAN = 4;
/** The height of the header row in pixels. The header row always stays in sight. */
const HEAD = 28;
/** Rows with higher numbers are renumbered, because browsers limit positions to some 33 million pixels. */
const MOST_NUMBER = 300_000;

/**
 * @typedef {object} Actions
 * @property {(count: number, paused: boolean) => void} [unread] Called with the number of waiting events.
 * @property {() => void} refill Called after new events were dropped for lack of room. Must call reset().
 * @property {() => void} [bottom] Called when the end of the list comes into sight.
 */

export class Ticker {
  #scroller;
  #sheet;
  /** The parent of the rows. A row has a fixed place in its parent, so a new row moves only the parent. */
  #anchor;
  #rows = new Rows();
  #paused = false;
  #pointer;
  #height = 32;
  /** @type {Map<number, HTMLElement>} */
  #made = new Map();
  /** @type {number | null} The number of the selected row. */
  #selected = null;
  #viewport = 0;
  /** The scroll position. Reading it from the element would force a layout with each chunk of events. */
  #top = 0;
  #frame = 0;
  #context;
  #actions;

  /**
   * @param {string} label
   * @param {import("./router.js").Context} context
   * @param {Actions} actions
   */
  constructor(label, context, actions) {
    const scroller = h("div.scroller", { tabindex: 0, role: "table", "aria-label": label });
    this.#scroller = scroller;
    this.#context = context;
    this.#actions = actions;
    this.#anchor = h("div.anchor", { role: "rowgroup" });
    this.#sheet = h("div.sheet", { role: "presentation" }, this.#anchor);
    scroller.append(h("div.head-group", { role: "rowgroup" }, tickerHead()), this.#sheet);
    this.#pointer = new Pointer(scroller, () => this.#catchUp());
    // After these events, more names of runs and more times of arrival are known.
    on(context.store, "seeded learned", () => {
      for (const [number, row] of this.#made) {
        const event = this.#rows.at(number);
        if (event) completeRow(row, event, this.#nameOf(event));
      }
    });
    on(scroller, "scroll", () => this.#scrolled());
    const measure = () => {
      const before = this.#viewport;
      this.#viewport = scroller.clientHeight;
      if (this.#viewport === 0) return;
      // An element that is removed from the document loses its scroll position.
      if (before === 0) this.#scrollTo(this.#top);
      const height = Number.parseInt(getComputedStyle(scroller).getPropertyValue("--row"), 10) || 32;
      if (height !== this.#height) {
        this.#height = height;
        this.#redraw();
      }
      this.#soon();
    };
    new ResizeObserver(measure).observe(scroller);
    measure();
    on(scroller, "click", (event) => {
      const row = closest(event, ".row");
      if (!row || closest(event, "a")) return;
      this.select(Number(row.dataset.number), true);
      this.openSelected();
    });
  }

  /** The element to put into the page. */
  get element() {
    return this.#scroller;
  }

  get length() {
    return this.#rows.length;
  }

  get paused() {
    return this.#paused;
  }

  /** The oldest event of the list. */
  get oldest() {
    return this.#rows.oldest;
  }

  /** Replaces the list. @param {AnyEvent[]} events */
  reset(events) {
    this.#rows.reset(events);
    this.#selected = null;
    this.#scrollTo(0);
    this.#redraw();
    this.#reportUnread();
  }

  /** Adds new events. @param {readonly AnyEvent[]} events */
  push(events) {
    if (!this.#rows.push(events, this.#waits())) return;
    if (this.#selected !== null && this.#selected < this.#rows.first) this.#selected = null;
    if (this.#rows.first > MOST_NUMBER) this.#renumber();
    this.#catchUp();
    this.#soon();
  }

  #renumber() {
    const by = this.#rows.renumber();
    if (this.#selected !== null) this.#selected -= by;
    this.#redraw();
  }

  /** Adds events that are older than all events in the list. @param {readonly AnyEvent[]} events */
  prepend(events) {
    this.#rows.prepend(events);
    this.#soon();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.#paused = paused;
    if (!paused) this.toTop();
    this.#reportUnread();
  }

  /** Shows the waiting events and scrolls to the top. */
  toTop() {
    this.#paused = this.#pointer.holds = false;
    if (this.#scroller.querySelector(":focus")) this.#scroller.focus({ preventScroll: true });
    this.#selected = null;
    this.#scrollTo(0);
    this.#catchUp();
    this.#redraw();
  }

  /** Moves the selection by this number of rows; a positive number moves it down. @param {number} by */
  move(by) {
    const { first, shown, top } = this.#rows;
    if (shown === 0) return;
    // If the selected row is out of sight, the reader has scrolled away, so start from the top row in sight.
    const row = top - (this.#selected ?? Infinity) - this.#topRow();
    const isNear = row >= -1 && row * this.#height <= this.#viewport;
    const from = isNear && this.#selected !== null ? this.#selected : top - this.#topRow() + Math.sign(by);
    this.select(Math.min(top, Math.max(first, from - by)), true);
  }

  /** @param {number} number @param {boolean} focus */
  select(number, focus) {
    const before = this.#selected === null ? undefined : this.#made.get(this.#selected);
    if (before) before.ariaCurrent = null;
    this.#selected = number;
    const y = (this.#rows.top - number) * this.#height;
    if (y < this.#top) this.#scrollTo(y);
    else if (y + this.#height > this.#top + this.#viewport - HEAD)
      this.#scrollTo(y + this.#height - this.#viewport + HEAD);
    this.#draw();
    const row = this.#made.get(number);
    if (row) row.ariaCurrent = "true";
    if (focus && row) part(row, "button").focus({ preventScroll: true });
  }

  openSelected() {
    const event = this.#selected === null ? undefined : this.#rows.at(this.#selected);
    if (event) this.#context.open(event);
    return Boolean(event);
  }

  /** Whether new events must wait. */
  #waits() {
    // When a dialog closes, the row that opened the dialog gets the focus back, so this row must not move.
    const inUse = this.#pointer.holds || (this.#selected !== null && document.querySelector("dialog[open]"));
    return this.#paused || this.#top >= 1 || Boolean(inUse);
  }

  #catchUp() {
    if (this.#waits()) return;
    if (this.#rows.isBroken) return this.#actions.refill();
    if (this.#rows.waiting === 0) return;
    this.#rows.showAll();
    this.#soon();
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.#top = top;
    this.#scroller.scrollTop = top;
  }

  #scrolled() {
    if (this.#viewport === 0) return;
    this.#top = this.#scroller.scrollTop;
    this.#catchUp();
    this.#soon();
    if (this.#rows.shown * this.#height - this.#top - this.#viewport < 10 * this.#height)
      this.#actions.bottom?.();
  }

  /** @param {AnyEvent} event */
  #nameOf(event) {
    return this.#context.store.runs.nameOf(event);
  }

  #reportUnread() {
    this.#actions.unread?.(this.#rows.waiting, this.#paused);
  }

  #topRow() {
    return Math.round(this.#top / this.#height);
  }

  #redraw() {
    for (const row of this.#made.values()) row.remove();
    this.#made.clear();
    this.#soon();
  }

  /** Schedules a draw for the next frame. However many events arrive, a frame has only one draw. */
  #soon() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const height = this.#height;
    const { shown, top } = this.#rows;
    const scrollTop = this.#top;
    const last = Math.min(top, top - Math.floor(scrollTop / height) + OVERSCAN);
    const first = Math.max(
      this.#rows.first,
      top - Math.ceil((scrollTop + this.#viewport) / height) - OVERSCAN,
    );
    for (const [number, row] of this.#made) {
      if ((number < first || number > last) && number !== this.#selected) {
        row.remove();
        this.#made.delete(number);
      }
    }
    // Screen readers follow the document's order, so insert each new row after the row above it. The row
    // above may be the selected row, which stays in the document even when it is out of sight.
    let above = this.#made.get(Math.max(last, this.#selected ?? last));
    for (let number = last; number >= first; number--) {
      let row = this.#made.get(number);
      if (!row) {
        const event = this.#rows.at(number);
        if (!event) continue;
        row = makeRow(event, number, number === this.#selected, this.#nameOf(event));
        row.style.top = `${-number * height}px`;
        this.#made.set(number, row);
        if (above) above.after(row);
        else this.#anchor.prepend(row);
      }
      above = row;
    }
    for (const [number, row] of this.#made) {
      const at = String(top - number + 2);
      if (row.ariaRowIndex !== at) row.ariaRowIndex = at;
    }
    this.#anchor.style.transform = `translateY(${top * height}px)`;
    this.#sheet.style.height = `${shown * height}px`;
    this.#scroller.ariaRowCount = String(shown + 1);
    this.#reportUnread();
  }
}
