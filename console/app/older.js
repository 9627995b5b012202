// The events from before those with which the feed began: read in pages of the query API while the list has few rows, or
// more are asked for.

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
  /** Up to when was searched, in vain; 0 where enough was found. */
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
  /** The id of the oldest that was read; 0 for none. */
  #oldest = 0;

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

  /** Whether it is still to be asked for, or has to be again. */
  get isDue() {
    return this.#oldest === 0 || Boolean(this.error);
  }

  /**
   * Another list, or another view of it.
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
   * Asks for what came before the oldest that is here; the gateway leaves out what it can.
   *
   * @param {boolean} [more] Whether some rows more are wanted, however many there are.
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
      let until = 0;
      const isEnough = () => this.#atEnd || found >= ENOUGH || (!more && this.#list.length >= 2 * ENOUGH);
      for (let pages = 0; pages === 0 || (pages < MOST_PAGES && !isEnough()); pages++) {
        const page = await this.#read(control.signal);
        if (control.signal.aborted) return;
        const last = page.events.at(-1);
        if (last) until = Date.parse(last.recorded_at);
        found += this.#show(page);
      }
      if (!isEnough()) this.searched = until;
    } catch (error) {
      if (control.signal.aborted) return;
      this.error = error;
    }
    this.#loading = null;
    this.#changed();
  }

  /** The feed begins without the pings that only repeat: where they are shown, its beginning is read as well. */
  get #isFromBeginning() {
    return this.#view.beats && this.#oldest === 0;
  }

  /** @param {AbortSignal} signal */
  #read(signal) {
    const { stars, store } = this.#context;
    const first = store.events.find((event) => event.id !== null)?.id ?? Number.MAX_SAFE_INTEGER;
    return store.query(serverFilters(this.#view, [...stars.values]), {
      before: this.#oldest || (this.#isFromBeginning ? undefined : first),
      limit: this.#view.q || this.#view.hideGreen ? BIG_PAGE : PAGE,
      signal,
    });
  }

  /** @param {Awaited<ReturnType<import("./store.js").Store["query"]>>} page @returns {number} Rows that are new. */
  #show({ events, next }) {
    const { store } = this.#context;
    const newest = events[0]?.id ?? 0;
    if (this.#isFromBeginning)
      this.#list.reset(store.events.filter((event) => (event.id ?? 0) > newest && this.#matches(event)));
    this.#oldest = events.at(-1)?.id ?? this.#oldest;
    this.#atEnd = next === null;
    events.reverse();
    if (filterCount(this.#view) === 0) store.tally.takeOlder(events);
    // The feed may have begun meanwhile with some of them.
    const from = this.#list.oldest?.id ?? Infinity;
    const notABeat = beatFilter(this.#view.beats);
    const fresh = events.filter((event) => event.id < from && this.#matches(event) && notABeat(event));
    this.#list.prepend(fresh);
    return fresh.length;
  }
}
