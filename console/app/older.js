// The events from before the feed's first one. They are read in pages of the query API while the list has few
// rows, and when more are asked for.

import { beatFilter } from "./beats.js";
import { filterCount, home, serverFilters } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

const PAGE = 200;
/** A page of which the gateway leaves out little: under a free text most of it is read in vain. */
const BIG_PAGE = 1_000;
/** Pages that are read at once for a few rows, and how many rows these are. */
const MOST_PAGES = 10;
const ENOUGH = 20;

/** @typedef {Pick<import("./ticker.js").Ticker, "length" | "oldest" | "reset" | "prepend">} List */

export class Older {
  /** How far back the search went without finding enough rows; 0 if it found enough. */
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
  /** The id of the oldest event that was read, and when it was recorded; 0 for none. */
  #oldest = 0;
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

  /** Whether the first page has not been read, or the last try has failed. */
  get isDue() {
    return this.#oldest === 0 || Boolean(this.error);
  }

  /**
   * Begins again, for another view.
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
   * Reads what came before the oldest event of the list; the gateway filters as far as it can.
   *
   * @param {boolean} [more] Whether to add rows even if the list has enough.
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
    // The feed begins without repeated pings; where these are shown, its beginning is read as well.
    const isFromBeginning = view.beats && this.#oldest === 0;
    const first = store.events.find((event) => event.id !== null)?.id ?? Number.MAX_SAFE_INTEGER;
    const { events, next } = await store.query(serverFilters(view, [...stars.values]), {
      before: this.#oldest || (isFromBeginning ? undefined : first),
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
    if (filterCount(view) === 0) store.tally.takeOlder(events);
    if (isFromBeginning)
      this.#list.reset(store.events.filter((event) => (event.id ?? 0) > newest && matches(event)));
    // Meanwhile the feed may have brought some of them.
    const from = this.#list.oldest?.id ?? Infinity;
    const notABeat = beatFilter(view.beats);
    const fresh = events.filter((event) => event.id < from && matches(event) && notABeat(event));
    this.#list.prepend(fresh);
    return fresh.length;
  }
}
