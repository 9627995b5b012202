// What is new since the last look, from the query API: for where a stream can't get through.

/** @typedef {import("./types.js").StoredEvent} StoredEvent */

/** As many as the feed begins with. */
const RECENT = 20;
/** Usually more than there is to find, and enough to begin with. */
const FIRST_PAGE = 100;
/** The most that the gateway gives at once. */
const PAGE = 1_000;
/** More than these are not held in memory to be shown at once. */
const MOST = 10_000;

/**
 * @typedef {object} Polled
 * @property {StoredEvent[]} events Oldest first.
 * @property {import("./types.js").GapDetail | null} gap What lies before them.
 * @property {number | null} upTo Everything up to this id is in them, or passed over.
 */

export class Poller {
  /** @type {number | null} The newest id that a poll has found. */
  #newest = null;
  #foundNone = false;

  /**
   * Everything after the cursor; without one, the last few. Pages are read from the newest back to the
   * cursor, so what is committed meanwhile is left to the next call.
   *
   * @param {number | null} cursor
   * @param {(page: { before?: number, limit: number }) => Promise<{ events: StoredEvent[] }>} query
   * @returns {Promise<Polled>}
   */
  async next(cursor, query) {
    // Where nothing was to be found, everything is new.
    const known = cursor ?? (this.#foundNone ? 0 : null);
    let limit = FIRST_PAGE;
    let { events: page } = await query({ limit });
    const newest = page[0]?.id ?? null;
    this.#foundNone = newest === null;
    const before = this.#newest;
    this.#newest = newest ?? before;
    if (known === null) return { events: recent(page), gap: null, upTo: newest };
    // Pruning takes the oldest first: the newest is gone only if the table is another.
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
 * What the feed would begin with: pings that only repeat what was said are left out.
 *
 * @param {StoredEvent[]} page
 */
const recent = (page) =>
  page
    .filter(({ meta }) => meta.repeat !== true)
    .slice(0, RECENT)
    .reverse();
