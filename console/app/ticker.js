// A list of events that may be very long: only the rows in sight are in the document, each of the same height. What is
// read never moves: once scrolled away, or paused, new events wait above until they are asked for.

import { h, makeButton } from "./dom.js";
import { describeLink, kindWords, outLink, sourceName, statusMark, taskLink, time, word } from "./look.js";

/** @typedef {import("./runs.js").AnyEvent} AnyEvent */

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
  #paused = false;
  #height = 32;
  /** @type {Map<number, HTMLElement>} */
  #made = new Map();
  /** @type {number | null} The number of the selected row. */
  #selected = null;
  #viewport = 0;
  /** Where it is scrolled to: asking the element would make it lay out anew, with each chunk that comes. */
  #top = 0;
  #frame = 0;
  #on;

  /**
   * @param {HTMLElement} scroller
   * @param {{ open: (event: AnyEvent) => void, unread: (count: number, paused: boolean) => void, bottom?: () => void, nameOf?: (event: AnyEvent) => string }} on
   */
  constructor(scroller, on) {
    this.#scroller = scroller;
    this.#on = on;
    this.#anchor = h("div", { class: "anchor", role: "rowgroup" });
    this.#sheet = h("div", { class: "sheet", role: "presentation" }, this.#anchor);
    scroller.append(this.#sheet);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const measure = () => {
      this.#viewport = scroller.clientHeight;
      const height = Number.parseInt(getComputedStyle(scroller).getPropertyValue("--row"), 10) || 32;
      if (height !== this.#height) {
        this.#height = height;
        this.#redraw();
      }
      this.#soon();
    };
    new ResizeObserver(measure).observe(scroller);
    measure();
    scroller.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      const row = /** @type {HTMLElement | null} */ (target.closest(".row"));
      if (!row || target.closest("a")) return;
      this.select(Number(row.dataset.number), true);
      this.openSelected();
    });
  }

  get length() {
    return this.#rows.length;
  }

  /** What rows are called has become known. */
  rename() {
    if (!this.#scroller.contains(document.activeElement)) this.#redraw(this.#selected);
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
    this.#paused = false;
    this.#scrollTo(0);
    this.#redraw();
    this.#tell();
  }

  /** New events. @param {readonly AnyEvent[]} events */
  push(events) {
    if (events.length === 0) return;
    for (const event of events) this.#rows.push(event);
    const over = this.#rows.length - MOST;
    if (over > SLACK || (over > 0 && events.length > SLACK)) {
      this.#rows.splice(0, over);
      this.#first += over;
      this.#shown = Math.max(0, this.#shown - over);
      if (this.#first > MOST_NUMBER) this.#renumber();
    }
    if (!this.#waits()) this.#shown = this.#rows.length;
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
    this.#paused = false;
    this.#shown = this.#rows.length;
    this.#scrollTo(0);
    this.#soon();
  }

  /** Moves the selection, down if positive. @param {number} by */
  move(by) {
    const top = this.#first + this.#shown - 1;
    if (this.#shown === 0) return;
    const from = this.#selected ?? top - this.#topRow() + Math.sign(by);
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
    if (event) this.#on.open(event);
    return Boolean(event);
  }

  /** Whether new events wait above. */
  #waits() {
    return this.#paused || this.#top >= 1;
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.#top = top;
    this.#scroller.scrollTop = top;
  }

  #scrolled() {
    this.#top = this.#scroller.scrollTop;
    if (!this.#waits() && this.#shown < this.#rows.length) this.#shown = this.#rows.length;
    this.#soon();
    if (this.#shown * this.#height - this.#top - this.#viewport < 10 * this.#height) this.#on.bottom?.();
  }

  #tell() {
    this.#on.unread(this.#rows.length - this.#shown, this.#paused);
  }

  #topRow() {
    return Math.round(this.#top / this.#height);
  }

  /** Makes the rows anew but for one, to which a dialog gives the focus back. @param {number | null} [kept] */
  #redraw(kept = null) {
    for (const [number, row] of this.#made) {
      if (number === kept) continue;
      row.remove();
      this.#made.delete(number);
    }
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
        row = makeRow(event, number, number === this.#selected, this.#on.nameOf?.(event) ?? "");
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

/**
 * @param {AnyEvent} event
 * @param {number} number
 * @param {boolean} selected
 * @param {string} name What the run calls itself, where that is known.
 */
function makeRow(event, number, selected, name) {
  const { link } = event;
  const what = describeLink(link);
  const label = `${kindWords(event.kind)}, ${word(event.status)}, ${event.vtid}, ${event.module}`;
  const open = makeButton("kind", { tabindex: -1, "aria-label": label }, kindWords(event.kind));
  /** @param {string} name @param {...import("./dom.js").Child} children */
  const cell = (name, ...children) => h("span", { role: "cell", class: `c-${name}` }, ...children);
  const row = h(
    "div",
    {
      class: `row s-${event.status}`,
      role: "row",
      "data-number": number,
      "aria-current": selected ? "true" : null,
    },
    cell("time", time(event.ts)),
    cell("status", statusMark(event.status)),
    cell("task", taskLink(event.vtid, -1)),
    cell("kind", open),
    cell("module", event.module),
    cell("what", name && h("b", {}, h("bdi", {}, name)), h("bdi", {}, what)),
    cell("source", sourceName(event.source)),
    cell("out", outLink(link, `Open ${what || "the link"}`)),
  );
  row.querySelector(".c-out a")?.setAttribute("tabindex", "-1");
  if (event.id !== null) row.dataset.id = String(event.id);
  else row.dataset.simulated = "true";
  return row;
}

/** The line above the columns. */
export function tickerHead() {
  /** @param {string} name @param {string} text */
  const head = (name, text) => h("span", { role: "columnheader", class: `c-${name}` }, text);
  return h(
    "div",
    { class: "row head", role: "row", "aria-rowindex": 1 },
    head("time", "Time"),
    head("status", "Status"),
    head("task", "Task"),
    head("kind", "Event"),
    head("module", "Module"),
    head("what", "Where"),
    head("source", "Source"),
    head("out", "Link"),
  );
}
