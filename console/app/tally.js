// What is counted of events: how often they come, and which values they have. Pure.

import { Rate } from "./rate.js";
import { eachFacet, FACETS, noteValue } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

export class Tally {
  rate = new Rate();
  /** What values events have, and how often. */
  facets = eachFacet(() => /** @type {Map<string, number>} */ (new Map()));
  /** The ids between which everything is counted: the feed and a query may both bring the same event. */
  #from = Infinity;
  #to = 0;

  clear() {
    this.rate.clear();
    for (const facet of FACETS) this.facets[facet].clear();
    this.#from = Infinity;
    this.#to = 0;
  }

  /**
   * Events of the feed.
   *
   * @param {readonly import("../client/types.js").OasisEvent[]} events The oldest first.
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
   * Events of a query, without a gap to those that the feed brings.
   *
   * @param {readonly import("../client/types.js").StoredEvent[]} events The oldest first.
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
   * Those that are not counted yet. Simulated ones have no id, and come once.
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
