// Reads events from before the feed's first event. These events come from the query API, page by page. A page
// is read if the list has few rows, and when the reader scrolls to the end of the list.

import { beatFilter } from "./beats.js";
import { filterCount, home, serverFilters } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

const PAGE = 200;
/** The page size if the console itself applies a filter, because few events of a page may match. */
const BIG_PAGE = 1_000;
/** One load stops after this many pages, even if it has found fewer than `ENOUGH` rows. */
const MOST_PAGES = 10;
/** One load stops after it has found this many rows. */
const ENOUGH = 20;

/** @typedef {Pick<import("./ticker.js").Ticker, "length" | "oldest" | "reset" | "prepend">} List */

export class Older {
  /** If a load found too few rows, the time of the oldest event read, in milliseconds. Otherwise 0. */
  searched = 0;
  /** @type {unknown} */
  error = null;
  #context;
  #list;
  #changed;
  #view = home();
  /** @type {(event: AnyEvent) => boolean} */
  #matches = () => true;
  /** @type {AbortController | null} */
  #loading = null;
  #atEnd = false;
  /** The id of the oldest event that was read; 0 if no event was read. */
  #oldest = 0;
  /** The time when the oldest event that was read was recorded, in milliseconds. */
  #reached = 0;

  /**
   * @param {Pick<import("./router.js").Context, "store" | "stars">} context
   * @param {List} list
   * @param {() => void} changed
   */
  constructor(context, list, changed) {
    this.#context = context;
    this.#list = list;
    this.#changed = changed;
  }

  get isLoading() {
    return this.#loading !== null;
  }

  /** Whether no page has been read, or the last load failed. */
  get isDue() {
    return this.#oldest === 0 || Boolean(this.error);
  }

  /**
   * Starts again for another view.
   *
   * @param {import("./view.js").View} view
   * @param {(event: AnyEvent) => boolean} matches
   */
  reset(view, matches) {
    this.#view = view;
    this.#matches = matches;
    this.#loading?.abort();
    this.#loading = null;
    this.#atEnd = false;
    this.#oldest = this.searched = 0;
    this.error = null;
  }

  /**
   * Reads events that are older than all events read so far. The gateway applies the filters that it knows.
   *
   * @param {boolean} [more] Whether to add rows even if the list has enough rows.
   */
  async load(more = false) {
    if (this.#loading || this.#atEnd || this.#context.store.feed.state === "mock") return;
    const control = new AbortController();
    this.#loading = control;
    this.searched = 0;
    this.error = null;
    this.#changed();
    try {
      let found = 0;
      const isEnough = () => this.#atEnd || found >= ENOUGH || (!more && this.#list.length >= 2 * ENOUGH);
      for (let pages = 0; pages === 0 || (pages < MOST_PAGES && !isEnough()); pages++) {
        found += await this.#readPage(control.signal);
        if (control.signal.aborted) return;
      }
      if (!isEnough()) this.searched = this.#reached;
    } catch (error) {
      if (control.signal.aborted) return;
      this.error = error;
    }
    this.#loading = null;
    this.#changed();
  }

  /** @param {AbortSignal} signal @returns {Promise<number>} The number of new rows. */
  async #readPage(signal) {
    const { stars, store } = this.#context;
    const view = this.#view;
    const matches = this.#matches;
    // The first events of the feed include no repeated pings. If the view shows repeated pings, also read the
    // newest events from the query API.
    const isFromBeginning = view.beats && this.#oldest === 0;
    const first = store.events.find((event) => event.id !== null)?.id ?? Number.MAX_SAFE_INTEGER;
    const before = this.#oldest || (isFromBeginning ? undefined : first);
    const { events, next } = await store.query(serverFilters(view, [...stars.values]), {
      before,
      limit: view.q || view.hideGreen ? BIG_PAGE : PAGE,
      signal,
    });
    if (signal.aborted) return 0;
    const newest = events[0]?.id ?? 0;
    const last = events.at(-1);
    if (last) {
      this.#oldest = last.id;
      this.#reached = Date.parse(last.recorded_at);
    }
    this.#atEnd = next === null;
    events.reverse();
    if (filterCount(view) === 0) store.tally.takeOlder(events, before ?? Infinity);
    if (isFromBeginning)
      this.#list.reset(store.events.filter((event) => (event.id ?? 0) > newest && matches(event)));
    // The feed may have delivered some of these events in the meantime.
    const from = this.#list.oldest?.id ?? Infinity;
    const notABeat = beatFilter(view.beats);
    const fresh = events.filter((event) => event.id < from && matches(event) && notABeat(event));
    this.#list.prepend(fresh);
    return fresh.length;
  }
}
