// Holds the page's data: the events, the runs that the events report on, and the rate of events. All views
// share one feed without filters, so the page notices each failure, whichever view is open. Each view filters
// the events of the feed, and reads older events from the query API.

import { OasisFeed } from "../client/feed.js";
import { listAgents, queryEvents } from "../client/query.js";
import { GATEWAY } from "./address.js";
import { Beats } from "./beats.js";
import { arrivalOf } from "./event.js";
import { readHistory } from "./history.js";
import { Runs } from "./runs.js";
import { RUNNING } from "./sets.js";
import { Tally } from "./tally.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("../client/types.js").Filters} Filters */

const MOST = 50_000;
const SLACK = 5_000;
/** How many of the newest events are read for the counts, and for the times at which they arrived. */
const RECENT = 500;
/** Clocks may differ by this much, in milliseconds. */
const SKEW_MS = 2_000;

export class Store extends EventTarget {
  feed;
  runs = new Runs();
  tally = new Tally();
  beats = new Beats();
  /** @type {AnyEvent[]} Oldest first. */
  events = [];
  /** @type {"loading" | "ready" | "failed"} Whether the runs from before the page was opened are known. */
  seeded = "loading";
  /** @type {unknown} */
  seedError = null;
  /** @type {import("../client/types.js").GapDetail | null} */
  gap = null;
  /** When the newest event arrived, in milliseconds of the gateway's clock; 0 if unknown. */
  newestAt = 0;
  /**
   * The newest events at the time of the last connection.
   *
   * @type {Map<number, import("../client/types.js").StoredEvent>}
   */
  #recent = new Map();
  #reading = 0;
  token;
  #seeding = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #learning;
  #lastAsked = 0;

  /** @param {string | undefined} token */
  constructor(token) {
    super();
    this.token = token;
    this.feed = new OasisFeed({ url: GATEWAY, token, keep: 50, maxTries: Infinity });
    this.feed.addEventListener("events", ({ detail }) => this.#take(detail.events, detail.replay));
    this.feed.addEventListener("gap", ({ detail }) => {
      if (detail.reason === "reset") this.#forget();
      else {
        this.tally.clear();
        void this.#readRecent();
        // Runs may have ended or failed in the gap. The query API may still have the events of the gap.
        void this.seed();
      }
      this.gap = detail;
      this.#emit("gap");
    });
    this.feed.addEventListener("state", ({ detail }) => {
      if (detail.state === "live") {
        if (this.events.some((event) => event.id === null)) this.#forget();
        else void this.#readRecent();
        if (this.seeded === "failed") void this.seed();
        this.tally.rate.resume();
      } else if (detail.state === "mock") this.tally.release(this.now());
      else if (detail.previous === "live") {
        this.tally.rate.stop(this.now());
        // A result that arrives after this moment lacks the events that the page misses.
        this.#reading += 1;
        this.tally.hold();
      }
      this.#emit("state");
    });
  }

  /** @param {string} name @param {unknown} [detail] */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** The current time by the gateway's clock, because the browser's clock may be wrong. */
  now() {
    return Date.now() - this.feed.clockOffset;
  }

  /** Whether the gateway sends simulated events, because no event is stored. */
  get isSimulated() {
    return this.events.at(-1)?.id === null;
  }

  start() {
    this.feed.start();
    void this.seed();
  }

  /** Drops all data, because the data was simulated or the database was restored. */
  #forget() {
    this.events = [];
    this.newestAt = 0;
    this.#recent.clear();
    this.runs.clear();
    this.tally.clear();
    this.#emit("reset");
    if (this.feed.state === "live") void this.#readRecent();
    void this.seed();
  }

  /**
   * Reads the newest events from the query API. Only these have the times at which they arrived, and the
   * pings that the feed does not replay.
   */
  async #readRecent() {
    const reading = ++this.#reading;
    try {
      const { events, next } = await this.query({}, { limit: RECENT });
      if (reading !== this.#reading) return;
      events.reverse();
      this.#recent = new Map(events.map((event) => [event.id, event]));
      for (const event of this.events) this.#complete(event);
      for (const event of events) this.runs.learn(event);
      this.tally.takeRecent(events, next === null);
      this.newestAt = Math.max(this.newestAt, ...events.slice(-1).map(arrivalOf));
    } catch {
      if (reading !== this.#reading) return;
      this.tally.release(this.now());
    }
    this.#emit("learned");
  }

  /** Adds the time at which a replayed event arrived, and its `meta`, if known. @param {AnyEvent} event */
  #complete(event) {
    const stored = event.receivedAt === undefined && this.#recent.get(event.id ?? 0);
    if (!stored) return;
    event.recorded_at = stored.recorded_at;
    event.meta = stored.meta;
  }

  /** @param {import("../client/types.js").OasisEvent} event @param {boolean} replay @returns {AnyEvent} */
  #keep(event, replay) {
    const { receivedAt, ...kept } = event;
    if (replay) {
      /** @type {AnyEvent} */
      const replayed = kept;
      this.#complete(replayed);
      return replayed;
    }
    // The first simulated events are sent at once, but have the times of a story.
    if (event.simulated) return { ...kept, receivedAt: Date.parse(event.ts) };
    const at = receivedAt - this.feed.clockOffset;
    // The clock of the database, which recorded the stored events, may be somewhat ahead.
    const arrived = at < this.newestAt && at > this.newestAt - SKEW_MS ? this.newestAt : at;
    this.newestAt = Math.max(this.newestAt, arrived);
    return arrived === receivedAt ? event : { ...kept, receivedAt: arrived };
  }

  /** @param {readonly import("../client/types.js").OasisEvent[]} received @param {boolean} replay */
  #take(received, replay) {
    const events = received.map((event) => this.#keep(event, replay));
    if (!replay) this.beats.take(events);
    const failed = [];
    for (const event of events) {
      const row = this.runs.take(event);
      if (row && !replay && event.id !== null) failed.push(row);
      this.events.push(event);
    }
    this.tally.take(events);
    if (this.events.length > MOST + SLACK) this.events.splice(0, this.events.length - MOST);
    this.#emit("events", { events, replay });
    if (failed.length > 0) this.#emit("failed", failed);
  }

  /**
   * @param {Filters} filters
   * @param {{ before?: number, limit?: number, since?: string, signal?: AbortSignal }} [options]
   */
  query(filters, options = {}) {
    return queryEvents({ url: GATEWAY, token: this.token, filters, ...options });
  }

  /** Reads the runs that were active or had failed before the page was opened. */
  async seed() {
    const seeding = ++this.#seeding;
    this.seeded = "loading";
    try {
      const all = await readHistory(
        (filters, options) => this.query(filters, options),
        (agent) => listAgents({ url: GATEWAY, token: this.token, filters: { agent } }),
      );
      if (seeding !== this.#seeding) return;
      const byId = new Map(
        all.map((event) => /** @type {const} */ ([event.id, /** @type {AnyEvent} */ (event)])),
      );
      for (const event of this.events)
        if (event.id !== null && !byId.has(event.id)) byId.set(event.id, event);
      // The feed may have delivered events before the history was read, so take all events again, in order.
      this.runs.clear();
      for (const [, event] of [...byId].sort(([a], [b]) => a - b)) this.runs.take(event);
      for (const event of this.events) if (event.id === null) this.runs.take(event);
      this.seeded = "ready";
    } catch (error) {
      if (seeding !== this.#seeding) return;
      this.seeded = "failed";
      this.seedError = error;
    }
    this.#emit("seeded");
  }

  /**
   * Reads the names of runs, at most once in 3 s. The names are in `meta`, which only the query API returns.
   *
   * @param {readonly Run[]} runs
   */
  learn(runs) {
    if (this.#learning !== undefined || this.feed.state !== "live") return;
    const unknown = runs.filter((run) => run.metaOf === 0 && run.event.id !== null);
    if (unknown.length === 0) return;
    const wait = Math.max(250, this.#lastAsked + 3_000 - Date.now());
    this.#learning = setTimeout(async () => {
      this.#lastAsked = Date.now();
      const newest = Math.max(...unknown.map((run) => run.event.id ?? 0));
      try {
        const kind = [...new Set(unknown.map((run) => run.event.kind))];
        const { events } = await this.query(
          { source: RUNNING, kind, status: [...new Set(unknown.map((run) => run.status))] },
          { before: newest + 1, limit: 100 },
        );
        for (const event of events.reverse()) this.runs.learn(event);
        // Request each run's name only once. Otherwise, a busy feed would cause endless queries.
        for (const run of unknown) run.metaOf ||= -1;
        this.#emit("learned");
      } catch {
        // The rows show the kind instead of the name until the next call, which reads the names again.
      }
      this.#learning = undefined;
    }, wait);
  }
}
