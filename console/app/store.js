// Holds the page's data: the events, the runs that the events report on, and the rate of events. All views
// share one feed without filters, so the page notices each failure, whichever view is open. Each view filters
// the events of the feed, and reads older events from the query API.

import { listAgents, OasisFeed, queryEvents } from "../client/index.js";
import { GATEWAY } from "./address.js";
import { readHistory } from "./history.js";
import { Runs } from "./runs.js";
import { RUNNING } from "./sets.js";
import { Tally } from "./tally.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("../client/types.js").Filters} Filters */

const MOST = 50_000;
const SLACK = 5_000;

export class Store extends EventTarget {
  feed;
  runs = new Runs();
  tally = new Tally();
  /** @type {AnyEvent[]} Oldest first. */
  events = [];
  /** @type {"loading" | "ready" | "failed"} Whether the runs from before the page was opened are known. */
  seeded = "loading";
  /** @type {unknown} */
  seedError = null;
  /** @type {import("../client/types.js").GapDetail | null} */
  gap = null;
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
        this.tally.rate.clear();
        // Runs may have ended or failed in the gap. The query API may still have the events of the gap.
        void this.seed();
      }
      this.gap = detail;
      this.#emit("gap");
    });
    this.feed.addEventListener("state", ({ detail }) => {
      if (detail.state === "live") {
        if (this.events.some((event) => event.id === null)) this.#forget();
        if (this.seeded === "failed") void this.seed();
        this.tally.rate.resume();
      } else if (detail.previous === "live") this.tally.rate.stop(Date.now());
      this.#emit("state");
    });
  }

  /** @param {string} name @param {unknown} [detail] */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  start() {
    this.feed.start();
    void this.seed();
  }

  /** Drops all data, because the data was simulated or the database was restored. */
  #forget() {
    this.events = [];
    this.runs.clear();
    this.tally.clear();
    this.#emit("reset");
    void this.seed();
  }

  /** @param {readonly import("../client/types.js").OasisEvent[]} events @param {boolean} replay */
  #take(events, replay) {
    const failed = [];
    for (const event of events) {
      const row = this.runs.take(event);
      if (row && !replay && !event.simulated) failed.push(row);
      this.events.push(event);
    }
    this.tally.take(events, replay);
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
