// Counts the events of each minute, and the events with each value of a facet.

import { Rate } from "./rate.js";
import { eachFacet, FACETS, noteValue } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

export class Tally {
  rate = new Rate();
  /** The values of each facet, with their counts. */
  facets = eachFacet(() => /** @type {Map<string, number>} */ (new Map()));
  /** The lowest and the highest counted id, because an event may come from the feed and from a query. */
  #from = Infinity;
  #to = 0;

  clear() {
    this.rate.clear();
    for (const facet of FACETS) this.facets[facet].clear();
    this.#from = Infinity;
    this.#to = 0;
  }

  /**
   * Counts events of the feed.
   *
   * @param {readonly import("../client/types.js").OasisEvent[]} events Oldest first.
   * @param {boolean} replay
   */
  take(events, replay) {
    for (const event of this.#fresh(events)) {
      this.#note(event, false);
      this.rate.add(replay ? Date.parse(event.ts) : event.receivedAt);
    }
    const first = events[0];
    if (first && !replay) this.rate.completeSince(first.receivedAt);
  }

  /**
   * Counts events of a query. There must be no gap between these events and the events of the feed.
   *
   * @param {readonly import("../client/types.js").StoredEvent[]} events Oldest first.
   */
  takeOlder(events) {
    for (const event of this.#fresh(events)) {
      this.#note(event, true);
      this.rate.add(Date.parse(event.recorded_at));
    }
    const oldest = events[0];
    if (oldest) this.rate.completeSince(Date.parse(oldest.recorded_at));
  }

  /**
   * Returns the events that have not been counted yet. Simulated events have no id and arrive only once.
   *
   * @template {AnyEvent} E
   * @param {readonly E[]} events
   */
  #fresh(events) {
    const from = this.#from;
    const to = this.#to;
    return events.filter(({ id }) => {
      if (id === null) return true;
      this.#from = Math.min(this.#from, id);
      this.#to = Math.max(this.#to, id);
      return id < from || id > to;
    });
  }

  /** @param {AnyEvent} event @param {boolean} older */
  #note(event, older) {
    for (const facet of FACETS) noteValue(this.facets[facet], event[facet], older);
  }
}
