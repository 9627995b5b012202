// The events of a list that may be very long: which are shown, and which wait above until they are asked for. Pure.

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

const MOST = 50_000;
/** What is cut at once when there are too many: cutting costs as much as there is. */
const SLACK = 5_000;

/** Each event has a number, which stays the same while the list does. */
export class Rows {
  /** @type {AnyEvent[]} The oldest first. */
  #events = [];
  /** The number of the first of them. */
  first = 0;
  /** How many are shown; those after wait. */
  shown = 0;
  /** How many came for which there was no room, as what is shown stays. */
  #missed = 0;
  /** @type {Set<number | null>} Those that did not come by themselves: the feed may bring them again. */
  #asked = new Set();

  get length() {
    return this.#events.length;
  }

  get oldest() {
    return this.#events[0];
  }

  /** The number of the newest that is shown. */
  get top() {
    return this.first + this.shown - 1;
  }

  get waiting() {
    return this.length - this.shown + this.#missed;
  }

  /** Whether events came that are not here: the list has to be made from the beginning. */
  get isBroken() {
    return this.#missed > 0;
  }

  /** @param {number} number */
  at(number) {
    return this.#events[number - this.first];
  }

  /** Another list. @param {AnyEvent[]} events */
  reset(events) {
    this.#events = events.slice(-MOST);
    this.first = 0;
    this.shown = this.length;
    this.#missed = 0;
    this.#asked.clear();
  }

  /**
   * New events, which are not shown yet.
   *
   * @param {readonly AnyEvent[]} events
   * @param {boolean} stays Whether what is shown stays.
   * @returns {boolean} Whether there were any.
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

  /** Events from before the oldest. @param {readonly AnyEvent[]} events */
  prepend(events) {
    const room = Math.max(0, MOST - this.length);
    const more = events.slice(-room || events.length).slice(0, room);
    if (more.length === 0) return;
    for (const event of more) this.#asked.add(event.id);
    this.#events = [...more, ...this.#events];
    this.first -= more.length;
    this.shown += more.length;
  }

  /** Shows what waited. */
  showAll() {
    this.shown = this.length;
  }

  /** Begins to number from 0 again. @returns {number} By how much each number is less. */
  renumber() {
    const by = this.first;
    this.first = 0;
    return by;
  }
}
