// The events of a list that may be very long: which of them are shown, and which wait above. Pure.

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

const MOST = 50_000;
/** This many are removed at a time, because each removal costs as much as the list is long. */
const SLACK = 5_000;

/** Each event has a number, which never changes while the list grows. */
export class Rows {
  /** @type {AnyEvent[]} The oldest first. */
  #events = [];
  /** The number of the oldest. */
  first = 0;
  /** How many are shown; the newer ones wait. */
  shown = 0;
  /** How many were dropped because what is shown had to stay. */
  #missed = 0;
  /** @type {Set<number | null>} Ids that a query brought: the feed may bring them again. */
  #asked = new Set();

  get length() {
    return this.#events.length;
  }

  get oldest() {
    return this.#events[0];
  }

  /** The number of the newest one that is shown. */
  get top() {
    return this.first + this.shown - 1;
  }

  get waiting() {
    return this.length - this.shown + this.#missed;
  }

  /** Whether events were dropped, so that the list has to be filled again. */
  get isBroken() {
    return this.#missed > 0;
  }

  /** @param {number} number */
  at(number) {
    return this.#events[number - this.first];
  }

  /** Replaces the list. @param {AnyEvent[]} events */
  reset(events) {
    this.#events = events.slice(-MOST);
    this.first = 0;
    this.shown = this.length;
    this.#missed = 0;
    this.#asked.clear();
  }

  /**
   * Adds new events, which are not shown yet.
   *
   * @param {readonly AnyEvent[]} events
   * @param {boolean} stays Whether what is shown has to stay.
   * @returns {boolean} Whether any of them were new.
   */
  push(events, stays) {
    const fresh = this.#asked.size > 0 ? events.filter((event) => !this.#asked.has(event.id)) : events;
    if (stays && (this.isBroken || this.length + fresh.length > MOST + SLACK)) this.#missed += fresh.length;
    else for (const event of fresh) this.#events.push(event);
    const over = this.length - MOST;
    if (!stays && (over > SLACK || (over > 0 && fresh.length > SLACK))) {
      this.#events.splice(0, over);
      this.first += over;
      this.shown = Math.max(0, this.shown - over);
    }
    return fresh.length > 0;
  }

  /** Adds events from before the oldest. @param {readonly AnyEvent[]} events */
  prepend(events) {
    const room = Math.max(0, MOST - this.length);
    const more = events.slice(-room || events.length).slice(0, room);
    if (more.length === 0) return;
    for (const event of more) this.#asked.add(event.id);
    this.#events = [...more, ...this.#events];
    this.first -= more.length;
    this.shown += more.length;
  }

  /** Shows the events that waited. */
  showAll() {
    this.shown = this.length;
  }

  /** Numbers from 0 again. @returns {number} How much lower each number is now. */
  renumber() {
    const by = this.first;
    this.first = 0;
    return by;
  }
}
