// Defines `OasisFeed`, which stays connected and dispatches events, state changes and gaps.

import { Connector } from "./connector.js";
import { Ledger } from "./ledger.js";
import { Timers } from "./timers.js";
import { address, checkToken, ownOrigin, toId } from "./wire.js";

/** @typedef {import("./types.js").FeedEventMap} FeedEventMap */

const CustomEvent =
  globalThis.CustomEvent ??
  // Node 18 has no global CustomEvent.
  class extends Event {
    /**
     * @param {string} type
     * @param {{ detail: unknown }} init
     */
    constructor(type, { detail }) {
      super(type);
      this.detail = detail;
    }
  };

export class OasisFeed extends EventTarget {
  #ledger;
  #connector;
  /** @type {import("./types.js").Filters} */
  #filters;
  /** @type {import("./types.js").FeedState} */
  #state = "offline";
  /** @type {import("./types.js").Reason} */
  #reason = "stopped";
  /** @type {import("./errors.js").OasisError | null} */
  #error = null;
  /** @type {number | null} */
  #retryAt = null;
  /** Whether start() was called, and neither stop() nor a 204 response has ended the feed since then. */
  #started = false;
  #online = () => this.retry();

  /** @param {import("./types.js").FeedOptions} [options] */
  constructor(options = {}) {
    super();
    const { url = ownOrigin(), token, filters = {}, lastEventId = null, keep = 5_000 } = options;
    // Without this check, an invalid address looks like a network failure.
    new URL(url, globalThis.location?.href);
    checkToken(token);
    const cursor = lastEventId === "" ? null : toId(lastEventId);
    if (cursor === null && lastEventId) throw new TypeError("lastEventId must be the id of an event");
    const timers = new Timers(options);
    this.#filters = { ...filters };
    this.#ledger = new Ledger({
      keep: Math.max(1, keep),
      cursor,
      now: timers.now,
      listener: {
        events: (detail) => this.#emit("events", detail),
        gap: (detail) => this.#emit("gap", detail),
        heartbeat: (detail) => this.#emit("heartbeat", detail),
        mode: (mode, connected) => {
          if (connected) this.#connector.connected();
          this.#set({ state: mode, reason: connected ? "connected" : "mode" });
        },
      },
    });
    this.#connector = new Connector({
      url,
      token,
      maxTries: options.maxTries ?? 10,
      silence: options.silence ?? 40_000,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      random: options.random ?? Math.random,
      timers,
      ledger: this.#ledger,
      onState: (change) => this.#set(change),
      onHeartbeat: () => this.#emit("heartbeat", { ts: null }),
      onEnd: (reason, error) => this.#end(reason, error),
    });
  }

  get state() {
    return this.#state;
  }

  /** Why the feed is in this state. */
  get reason() {
    return this.#reason;
  }

  /** The error that led to this state; null if no error did. */
  get error() {
    return this.#error;
  }

  /** The time of the next attempt, in milliseconds since the epoch; null while none is planned. */
  get retryAt() {
    return this.#retryAt;
  }

  /** The number of attempts since the last success. */
  get tries() {
    return this.#connector.tries;
  }

  /** The last events, at most `keep`, oldest first. Do not keep or change the array: read `events` again. */
  get events() {
    return /** @type {readonly import("./types.js").OasisEvent[]} */ (this.#ledger.events);
  }

  /** The cursor from which a reconnect resumes. It also moves past events that do not match the filters. */
  get lastEventId() {
    return this.#ledger.cursor;
  }

  /** The median delay from `ts` to arrival over the last 15 live events, in ms; null if there are none. */
  get delay() {
    return this.#ledger.delay;
  }

  /** The clock of the client minus the clock of the gateway, in ms; 0 if the difference is below 2 s. */
  get clockOffset() {
    return this.#ledger.clockOffset;
  }

  get transport() {
    return this.#connector.transport;
  }

  get filters() {
    return /** @type {Readonly<import("./types.js").Filters>} */ (this.#filters);
  }

  /** Connects and stays connected. After stop(), resumes after the last event. */
  start() {
    if (!this.#connector.running) this.#begin("start", "sse");
  }

  /** Closes the connection and clears every timer. */
  stop() {
    this.#started = false;
    this.#connector.halt();
    globalThis.window?.removeEventListener("online", this.#online);
    this.#set({ state: "offline", reason: "stopped" });
  }

  /** Connects at once, even if the client has given up or the server has refused the feed. */
  retry() {
    if (!this.#connector.wake() && this.#started && !this.#connector.running) this.#begin("retry", "sse");
  }

  /**
   * Changes the filters. The feed starts again with the last 20 events that match.
   *
   * @param {import("./types.js").Filters} filters
   */
  setFilters(filters) {
    if (address("", "", filters) === address("", "", this.#filters)) return;
    this.#filters = { ...filters };
    this.#connector.halt();
    this.#connector.forget();
    this.#ledger.reset();
    if (this.#started) this.#begin("filters", this.transport);
  }

  /**
   * @template {keyof FeedEventMap} K
   * @param {K} type
   * @param {((event: FeedEventMap[K]) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  /**
   * @template {keyof FeedEventMap} K
   * @param {K} type
   * @param {((event: FeedEventMap[K]) => void) | EventListenerObject | null} listener
   * @param {boolean | EventListenerOptions} [options]
   * @override
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  /**
   * @param {"start" | "retry" | "filters"} reason
   * @param {"sse" | "poll"} transport
   */
  #begin(reason, transport) {
    this.#started = true;
    globalThis.window?.addEventListener("online", this.#online);
    this.#connector.begin(this.#filters, transport, () => this.#set({ state: "connecting", reason }));
  }

  /**
   * @param {import("./types.js").Reason} reason
   * @param {import("./errors.js").OasisError | null} error
   */
  #end(reason, error) {
    // If the server refused the feed, a new network connection would not change the server's answer.
    if (reason !== "gave_up") globalThis.window?.removeEventListener("online", this.#online);
    if (reason === "done") this.#started = false;
    this.#set({ state: "offline", reason, error });
  }

  /** @param {import("./connector.js").Change} change */
  #set({ state, reason, retryAt = null, error = null }) {
    const previous = this.#state;
    if (state === previous && retryAt === this.#retryAt && reason === this.#reason) return;
    // Each successful poll reports `live` again, but only the first report is dispatched.
    if (state === previous && state === "live") return;
    this.#state = state;
    this.#reason = reason;
    this.#retryAt = retryAt;
    this.#error = error;
    this.#emit("state", { state, previous, retryAt, reason, error });
  }

  /**
   * @param {keyof FeedEventMap} type
   * @param {unknown} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
