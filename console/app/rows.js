// Stores the events of a list, which may be very long. New events wait in the list until they are shown.

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

const MOST = 50_000;
/** How many events are removed at once. Each removal costs time in proportion to the list's length. */
const SLACK = 5_000;

/** The events of a list. Each event has a number, which stays the same while the list grows. */
export class Rows {
  /** @type {AnyEvent[]} Oldest first. */
  #events = [];
  /** The number of the oldest event. */
  first = 0;
  /** How many events are shown. Newer events wait. */
  shown = 0;
  /** How many new events were dropped because the shown events had to stay. */
  #missed = 0;
  /** @type {Set<number | null>} The ids of events from a query. The feed may deliver these events again. */
  #queried = new Set();

  get length() {
    return this.#events.length;
  }

  get oldest() {
    return this.#events[0];
  }

  /** The number of the newest event that is shown. */
  get top() {
    return this.first + this.shown - 1;
  }

  get waiting() {
    return this.length - this.shown + this.#missed;
  }

  /** Whether new events were dropped. If so, the list must be filled again. */
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
    this.#queried.clear();
  }

  /**
   * Adds new events, which are not shown yet.
   *
   * @param {readonly AnyEvent[]} events
   * @param {boolean} stays Whether the shown events must stay.
   * @returns {boolean} Whether any event was new.
   */
  push(events, stays) {
    const fresh = this.#queried.size > 0 ? events.filter((event) => !this.#queried.has(event.id)) : events;
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

  /** Adds events that are older than all events in the list. @param {readonly AnyEvent[]} events */
  prepend(events) {
    const room = Math.max(0, MOST - this.length);
    const more = events.slice(-room || events.length).slice(0, room);
    if (more.length === 0) return;
    for (const event of more) this.#queried.add(event.id);
    this.#events = [...more, ...this.#events];
    this.first -= more.length;
    this.shown += more.length;
  }

  /** Shows the waiting events. */
  showAll() {
    this.shown = this.length;
  }

  /** Numbers the events from 0 again. @returns {number} How much lower each number is now. */
  renumber() {
    const by = this.first;
    this.first = 0;
    return by;
  }
}
