// Polls the query API for new events if a proxy blocks streams.

/** @typedef {import("./types.js").StoredEvent} StoredEvent */

/** A feed without a cursor begins with this many events. */
const RECENT = 20;
/** The size of a poll's first page. The first page usually contains all events since the last poll. */
const FIRST_PAGE = 100;
/** The largest page that the gateway returns. */
const PAGE = 1_000;
/** A poll that finds this many events stops and reports a gap. */
const MOST = 10_000;

/**
 * @typedef {object} PollResult
 * @property {StoredEvent[]} events Oldest first.
 * @property {import("./types.js").GapDetail | null} gap The gap before the events.
 * @property {number | null} upTo Every event up to this id is in the result or was skipped.
 */

export class Poller {
  /** @type {number | null} The newest id that any poll found. */
  #newest = null;
  #foundNone = false;

  /**
   * Reads the events after the cursor, or the last 20 events if there is no cursor. Starts with the page of
   * the newest events, and reads older pages until the cursor is reached. The next call finds the events that
   * are committed during this call.
   *
   * @param {number | null} cursor
   * @param {(page: { before?: number, limit: number }) => Promise<{ events: StoredEvent[] }>} query
   * @returns {Promise<PollResult>}
   */
  async next(cursor, query) {
    // If the last poll found no event, every event is new.
    const known = cursor ?? (this.#foundNone ? 0 : null);
    let limit = FIRST_PAGE;
    let { events: page } = await query({ limit });
    const newest = page[0]?.id ?? null;
    this.#foundNone = newest === null;
    const before = this.#newest;
    this.#newest = newest ?? before;
    if (known === null) return { events: recent(page), gap: null, upTo: newest };
    // Pruning removes the oldest events first, so the newest id falls only if the database was restored.
    if (newest !== null && before !== null && newest < before) {
      const gap = { from: cursor, to: newest, reason: /** @type {const} */ ("reset") };
      return { events: recent(page), gap, upTo: newest };
    }
    /** @type {StoredEvent[]} */
    const found = [];
    for (;;) {
      for (const event of page) if (event.id > known) found.push(event);
      const last = page.at(-1);
      if (!last || page.length < limit || last.id <= known) break;
      if (found.length >= MOST) {
        const gap = { from: known, to: last.id - 1, reason: /** @type {const} */ ("skipped") };
        return { events: found.reverse(), gap, upTo: newest };
      }
      limit = PAGE;
      ({ events: page } = await query({ before: last.id, limit }));
    }
    return { events: found.reverse(), gap: null, upTo: newest };
  }
}

/**
 * Selects the events that a new stream would send first. Leaves out pings that only repeat an agent's last
 * ping.
 *
 * @param {StoredEvent[]} page
 */
const recent = (page) =>
  page
    .filter(({ meta }) => meta.repeat !== true)
    .slice(0, RECENT)
    .reverse();
