// Defines `OasisFeed`: the stream of the ticker, with the last events, filters and a measured delay.

import { Ledger } from "./ledger.js";
import { Poller } from "./poll.js";
import { queryEvents } from "./query.js";
import { OasisStream } from "./stream.js";
import { address, FEED } from "./wire.js";

/** @typedef {import("./types.js").FeedEventMap} FeedEventMap */
/** @typedef {import("./types.js").Filters} Filters */

/** The gateway sends a heartbeat every 15 s. */
const SILENCE_MS = 40_000;

/**
 * The profile of the ticker. Its frames are unnamed messages, most of them events.
 *
 * @param {number} keep
 * @param {{ ledger: Ledger, filters: Filters }} own Receives the ledger. The filters may change later.
 * @returns {import("./types.js").Profile<FeedEventMap>}
 */
const ticker = (keep, own) => {
  return ({ cursor, now, emit, mode }) => {
    const ledger = new Ledger({
      keep,
      cursor,
      now,
      listener: {
        events: (detail) => emit("events", detail),
        gap: (detail) => emit("gap", detail),
        heartbeat: (detail) => emit("heartbeat", detail),
        mode,
      },
    });
    own.ledger = ledger;
    return {
      path: FEED,
      parameters: () => own.filters,
      frames: ledger,
      silence: SILENCE_MS,
      mayAppear: true,
      pollHeartbeat: { ts: null },
      polls: () => {
        const poller = new Poller();
        return {
          next: async (options) => {
            const query = { ...options, filters: own.filters };
            const found = await poller.next(ledger.cursor, (page) => queryEvents({ ...query, ...page }));
            return { deliver: (replay, signal) => ledger.takePoll(found, replay, signal) };
          },
        };
      },
    };
  };
};

/** @extends {OasisStream<FeedEventMap>} */
export class OasisFeed extends OasisStream {
  #own;

  /** @param {import("./types.js").FeedOptions} [options] */
  constructor(options = {}) {
    const { filters = {}, keep = 5_000 } = options;
    const own = /** @type {{ ledger: Ledger, filters: Filters }} */ ({ filters: { ...filters } });
    super(ticker(Math.max(1, keep), own), options);
    this.#own = own;
  }

  /** The last events, at most `keep`, oldest first. Do not keep or change the array: read `events` again. */
  get events() {
    return /** @type {readonly import("./types.js").OasisEvent[]} */ (this.#own.ledger.events);
  }

  /** The median delay from `ts` to arrival over the last 15 live events, in ms; null if there are none. */
  get delay() {
    return this.#own.ledger.delay;
  }

  /** The clock of the client minus the clock of the gateway, in ms; 0 if the difference is below 2 s. */
  get clockOffset() {
    return this.#own.ledger.clockOffset;
  }

  get filters() {
    return /** @type {Readonly<Filters>} */ (this.#own.filters);
  }

  /**
   * Changes the filters. The feed starts again with the last 20 events that match.
   *
   * @param {Filters} filters
   */
  setFilters(filters) {
    const own = this.#own;
    if (address("", "", filters) === address("", "", own.filters)) return;
    own.filters = { ...filters };
    this.begin(() => own.ledger.reset());
  }
}
