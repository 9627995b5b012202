// Counts the events of each minute, and the events with each value of a facet. The counts cover all events
// since some event, without a gap. So the replay of the feed is not counted: it leaves out repeated pings,
// and does not say when an event arrived. The same events are counted from a query instead.

import { arrivalOf } from "./event.js";
import { Rate } from "./rate.js";
import { eachFacet, FACETS, noteValue } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("../client/types.js").StoredEvent} StoredEvent */

/** The maximum number of events of the feed that wait for the result of a query. */
const MOST_WAITING = 10_000;

export class Tally {
  rate = new Rate();
  /** The values of each facet, with their counts. */
  facets = eachFacet(() => /** @type {Map<string, number>} */ (new Map()));
  /** The number of events that are counted. */
  total = 0;
  /** The lowest and the highest counted id. */
  #from = Infinity;
  #to = 0;
  /** @type {AnyEvent[] | null} The events of the feed that wait for a query; null if no query is expected. */
  #waiting = [];

  clear() {
    this.rate.clear();
    for (const facet of FACETS) this.facets[facet].clear();
    this.total = 0;
    this.#from = Infinity;
    this.#to = 0;
    this.#waiting = [];
  }

  /** From now on, events of the feed wait for takeRecent() or release(). */
  hold() {
    this.#waiting ??= [];
  }

  /** Counts events of the feed. @param {readonly AnyEvent[]} events Oldest first. */
  take(events) {
    if (!this.#waiting) return this.#count(events, false);
    this.#waiting.push(...events);
    const newest = events.at(-1);
    if (newest && this.#waiting.length > MOST_WAITING) this.release(arrivalOf(newest));
  }

  /**
   * Counts the newest stored events, and the events of the feed that have waited.
   *
   * @param {readonly StoredEvent[]} events Oldest first.
   * @param {boolean} isAll Whether these are all stored events.
   */
  takeRecent(events, isAll) {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    const [oldest] = events;
    // After a reconnect, the feed sends all missed events, and some may be older than the events of the
    // query. At first, the feed sends only some of the older events.
    if (oldest && this.#to > 0) this.#count(waiting, false, oldest.id);
    this.#count(events, false);
    this.#count(waiting, false);
    if (isAll) this.rate.completeSince(-Infinity);
    else if (oldest) this.rate.completeSince(arrivalOf(oldest));
  }

  /** Counts the events that have waited, because the query failed or is not needed. @param {number} now */
  release(now) {
    this.#count(this.#waiting ?? [], false);
    this.#waiting = null;
    this.rate.completeSince(now);
  }

  /**
   * Counts the older events of a query, unless events between them and the counted events are not counted.
   *
   * @param {readonly StoredEvent[]} events Oldest first.
   * @param {number} before The query has read the events before this id.
   */
  takeOlder(events, before) {
    if (before < this.#from || this.#to === 0) return;
    this.#count(events, true);
    const [oldest] = events;
    if (oldest) this.rate.completeSince(arrivalOf(oldest));
  }

  /**
   * Counts the events that have not been counted yet. Simulated events have no id and arrive only once.
   *
   * @param {readonly AnyEvent[]} events Oldest first.
   * @param {boolean} isOlder Whether to count the events before the counted events, instead of those after.
   * @param {number} [before] Counts only events with a lower id.
   */
  #count(events, isOlder, before = Infinity) {
    const from = this.#from;
    const to = this.#to;
    for (const event of events) {
      const { id } = event;
      if (id !== null) {
        if (isOlder ? id >= from : id <= to || id >= before) continue;
        this.#from = Math.min(this.#from, id);
        this.#to = Math.max(this.#to, id);
      }
      this.total += 1;
      this.rate.add(arrivalOf(event));
      for (const facet of FACETS) noteValue(this.facets[facet], event[facet], isOlder);
    }
  }
}
