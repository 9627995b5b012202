// What the page knows: the events, the runs they make, and their rate. One feed without filters serves every
// view, so no failure is missed while another view is open. Views filter what is here, and read what is older
// from the query API.

import { listAgents, OasisFeed, queryEvents } from "../client/index.js";
import { readPast } from "./past.js";
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
  /** @type {AnyEvent[]} The oldest first. */
  events = [];
  /** @type {"loading" | "ready" | "failed"} Whether what ran before the page was opened is known. */
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
    this.feed = new OasisFeed({ token, keep: 50, maxTries: Infinity });
    this.feed.addEventListener("events", ({ detail }) => this.#take(detail.events, detail.replay));
    this.feed.addEventListener("gap", ({ detail }) => {
      if (detail.reason === "reset") this.#forget();
      else {
        this.tally.rate.clear();
        // What ended or failed in it is known to the query API, if to anybody.
        void this.seed();
      }
      this.gap = detail;
      this.#tell("gap");
    });
    this.feed.addEventListener("state", ({ detail }) => {
      if (detail.state === "live") {
        if (this.events.some((event) => event.id === null)) this.#forget();
        if (this.seeded === "failed") void this.seed();
        this.tally.rate.resume();
      } else if (detail.previous === "live") this.tally.rate.stop(Date.now());
      this.#tell("state");
    });
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  start() {
    this.feed.start();
    void this.seed();
  }

  /** Nothing of what was shown is true any more. */
  #forget() {
    this.events = [];
    this.runs.clear();
    this.tally.clear();
    this.#tell("reset");
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
    this.#tell("events", { events, replay });
    if (failed.length > 0) this.#tell("failed", failed);
  }

  /**
   * @param {Filters} filters
   * @param {{ before?: number, limit?: number, since?: string, signal?: AbortSignal }} [options]
   */
  query(filters, options = {}) {
    return queryEvents({ token: this.token, filters, ...options });
  }

  /** Learns what ran, waited and failed before the page was opened. */
  async seed() {
    const seeding = ++this.#seeding;
    this.seeded = "loading";
    try {
      const all = await readPast(
        (filters, options) => this.query(filters, options),
        (agent) => listAgents({ token: this.token, filters: { agent } }),
      );
      if (seeding !== this.#seeding) return;
      const byId = new Map(
        all.map((event) => /** @type {const} */ ([event.id, /** @type {AnyEvent} */ (event)])),
      );
      for (const event of this.events)
        if (event.id !== null && !byId.has(event.id)) byId.set(event.id, event);
      // What has come meanwhile came before its past was known: all of it anew, in its order.
      this.runs.clear();
      for (const [, event] of [...byId].sort(([a], [b]) => a - b)) this.runs.take(event);
      this.seeded = "ready";
    } catch (error) {
      if (seeding !== this.#seeding) return;
      this.seeded = "failed";
      this.seedError = error;
    }
    this.#tell("seeded");
  }

  /**
   * Reads the names of the runs in sight, not too often: a name is part of the meta, which the feed does not
   * carry.
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
        // Asked once: a busy feed must not make it ask for ever.
        for (const run of unknown) run.metaOf ||= -1;
        this.#tell("learned");
      } catch {
        // Their kind is shown instead; the next look asks again.
      }
      this.#learning = undefined;
    }, wait);
  }
}
