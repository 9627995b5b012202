// A list of events that may be very long: only the rows in sight are in the document, each of the same height. What is
// read never moves: once scrolled away, or paused, new events wait above until they are asked for; and for a moment, while
// a hand is on the list.

import { h, on } from "./dom.js";
import { Hand } from "./hand.js";
import { makeRow, nameRow, tickerHead } from "./row.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/** Rows beyond both edges, so that a fast hand finds them there. */
const OVERSCAN = 4;
const MOST = 50_000;
/** What is cut at once when there are too many: cutting costs as much as there is. */
const SLACK = 5_000;
/** The line above the columns, which stays in sight. */
const HEAD = 28;
/** A browser's layout ends at some 33 million pixels, so numbers begin anew before they get there. */
const MOST_NUMBER = 300_000;

export class Ticker {
  #scroller;
  #sheet;
  /** Rows hang from here, below by their number: a new one on top moves nothing but this. */
  #anchor;
  /** @type {AnyEvent[]} The oldest first. */
  #rows = [];
  /** The number of the first of them, which only grows while the list is the same. */
  #first = 0;
  /** How many rows are shown; those after wait. */
  #shown = 0;
  /** How many came for which there was no room, as what is shown stays. */
  #missed = 0;
  /** @type {Set<number | null>} Those that did not come by themselves: the feed may bring them again. */
  #asked = new Set();
  #paused = false;
  #hand;
  #height = 32;
  /** @type {Map<number, HTMLElement>} */
  #made = new Map();
  /** @type {number | null} The number of the selected row. */
  #selected = null;
  #viewport = 0;
  /** Where it is scrolled to: asking the element would make it lay out anew, with each chunk that comes. */
  #top = 0;
  #frame = 0;
  #does;

  /**
   * @param {string} label
   * @param {{ open: (event: AnyEvent) => void, unread: (count: number, paused: boolean) => void, anew: () => void, nameOf: (event: AnyEvent) => string, bottom?: () => void }} does `anew` is to call reset().
   */
  constructor(label, does) {
    const scroller = h("div.scroller", { tabindex: 0, role: "table", "aria-label": label });
    this.#scroller = scroller;
    this.#does = does;
    this.#anchor = h("div.anchor", { role: "rowgroup" });
    this.#sheet = h("div.sheet", { role: "presentation" }, this.#anchor);
    scroller.append(h("div.head-group", { role: "rowgroup" }, tickerHead()), this.#sheet);
    this.#hand = new Hand(scroller, () => this.#catchUp());
    on(scroller, "scroll", () => this.#scrolled());
    const measure = () => {
      const before = this.#viewport;
      this.#viewport = scroller.clientHeight;
      if (this.#viewport === 0) return;
      // What leaves the page forgets where it was scrolled to.
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
      const target = /** @type {Element} */ (event.target);
      const row = /** @type {HTMLElement | null} */ (target.closest(".row"));
      if (!row || target.closest("a")) return;
      this.select(Number(row.dataset.number), true);
      this.openSelected();
    });
  }

  /** What is to be put into the page. */
  get element() {
    return this.#scroller;
  }

  get length() {
    return this.#rows.length;
  }

  /** What rows are called has become known. */
  rename() {
    for (const [number, row] of this.#made) {
      const event = this.#rows[number - this.#first];
      if (event) nameRow(row, event, this.#does.nameOf(event));
    }
  }

  get paused() {
    return this.#paused;
  }

  /** The oldest event of the list. */
  get oldest() {
    return this.#rows[0];
  }

  /** Another list. @param {AnyEvent[]} events */
  reset(events) {
    this.#rows = events.slice(-MOST);
    this.#first = 0;
    this.#selected = null;
    this.#shown = this.#rows.length;
    this.#missed = 0;
    this.#asked.clear();
    this.#scrollTo(0);
    this.#redraw();
    this.#tell();
  }

  /** New events. @param {readonly AnyEvent[]} events */
  push(events) {
    const fresh = this.#asked.size > 0 ? events.filter((event) => !this.#asked.has(event.id)) : events;
    if (fresh.length === 0) return;
    const waits = this.#waits();
    if (waits && (this.#missed > 0 || this.#rows.length + fresh.length > MOST + SLACK)) {
      this.#missed += fresh.length;
      return this.#soon();
    }
    for (const event of fresh) this.#rows.push(event);
    const over = this.#rows.length - MOST;
    if (!waits && (over > SLACK || (over > 0 && fresh.length > SLACK))) {
      this.#rows.splice(0, over);
      this.#first += over;
      this.#shown = Math.max(0, this.#shown - over);
      if (this.#selected !== null && this.#selected < this.#first) this.#selected = null;
      if (this.#first > MOST_NUMBER) this.#renumber();
    }
    this.#catchUp();
    this.#soon();
  }

  #renumber() {
    if (this.#selected !== null) this.#selected -= this.#first;
    this.#first = 0;
    this.#redraw();
  }

  /** Events from before the oldest. @param {readonly AnyEvent[]} events */
  prepend(events) {
    const room = Math.max(0, MOST - this.#rows.length);
    const more = events.slice(-room || events.length).slice(0, room);
    if (more.length === 0) return;
    for (const event of more) this.#asked.add(event.id);
    this.#rows = [...more, ...this.#rows];
    this.#first -= more.length;
    this.#shown += more.length;
    this.#soon();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.#paused = paused;
    if (!paused) this.toTop();
    this.#tell();
  }

  /** Shows what waited. */
  toTop() {
    this.#paused = this.#hand.holds = false;
    if (this.#scroller.querySelector(":focus")) this.#scroller.focus({ preventScroll: true });
    this.#selected = null;
    this.#scrollTo(0);
    this.#catchUp();
    this.#redraw();
  }

  /** Moves the selection, down if positive. @param {number} by */
  move(by) {
    const top = this.#first + this.#shown - 1;
    if (this.#shown === 0) return;
    // One that was selected long ago, and is out of sight now, is not where anybody reads.
    const row = top - (this.#selected ?? Number.POSITIVE_INFINITY) - this.#topRow();
    const isNear = row >= -1 && row * this.#height <= this.#viewport;
    const from = isNear && this.#selected !== null ? this.#selected : top - this.#topRow() + Math.sign(by);
    this.select(Math.min(top, Math.max(this.#first, from - by)), true);
  }

  /** @param {number} number @param {boolean} focus */
  select(number, focus) {
    const before = this.#selected === null ? undefined : this.#made.get(this.#selected);
    if (before) before.ariaCurrent = null;
    this.#selected = number;
    const y = (this.#first + this.#shown - 1 - number) * this.#height;
    if (y < this.#top) this.#scrollTo(y);
    else if (y + this.#height > this.#top + this.#viewport - HEAD)
      this.#scrollTo(y + this.#height - this.#viewport + HEAD);
    this.#draw();
    const row = this.#made.get(number);
    if (row) row.ariaCurrent = "true";
    if (focus)
      /** @type {HTMLElement | null | undefined} */ (row?.querySelector("button"))?.focus({
        preventScroll: true,
      });
  }

  openSelected() {
    const event = this.#selected === null ? undefined : this.#rows[this.#selected - this.#first];
    if (event) this.#does.open(event);
    return Boolean(event);
  }

  /** Whether new events wait above. */
  #waits() {
    // A dialog covers the row that was opened, and gives the focus back to it.
    const reads = this.#hand.holds || (this.#selected !== null && document.querySelector("dialog[open]"));
    return this.#paused || this.#top >= 1 || Boolean(reads);
  }

  #catchUp() {
    if (this.#waits()) return;
    if (this.#missed > 0) return this.#does.anew();
    if (this.#shown === this.#rows.length) return;
    this.#shown = this.#rows.length;
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
    if (this.#shown * this.#height - this.#top - this.#viewport < 10 * this.#height) this.#does.bottom?.();
  }

  #tell() {
    this.#does.unread(this.#rows.length - this.#shown + this.#missed, this.#paused);
  }

  #topRow() {
    return Math.round(this.#top / this.#height);
  }

  #redraw() {
    for (const row of this.#made.values()) row.remove();
    this.#made.clear();
    this.#soon();
  }

  /** However much comes, it is drawn once a frame. */
  #soon() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const height = this.#height;
    const top = this.#first + this.#shown - 1;
    const scrollTop = this.#top;
    const last = Math.min(top, top - Math.floor(scrollTop / height) + OVERSCAN);
    const first = Math.max(this.#first, top - Math.ceil((scrollTop + this.#viewport) / height) - OVERSCAN);
    for (const [number, row] of this.#made) {
      if ((number < first || number > last) && number !== this.#selected) {
        row.remove();
        this.#made.delete(number);
      }
    }
    // The document's order is what is heard: new rows follow the one above them, which may be the selected one, out of sight.
    let above = this.#made.get(Math.max(last, this.#selected ?? last));
    for (let number = last; number >= first; number--) {
      let row = this.#made.get(number);
      if (!row) {
        const event = this.#rows[number - this.#first];
        if (!event) continue;
        row = makeRow(event, number, number === this.#selected, this.#does.nameOf(event));
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
    this.#sheet.style.height = `${this.#shown * height}px`;
    this.#scroller.ariaRowCount = String(this.#shown + 1);
    this.#tell();
  }
}
