// The feed as a page uses it: it stays connected, and tells its events, its state and its gaps.

import { Connector } from "./connector.js";
import { Ledger } from "./ledger.js";
import { Timers } from "./timers.js";
import { address, checkToken, ownOrigin, toId } from "./wire.js";

/** @typedef {import("./types.js").FeedEventMap} FeedEventMap */

const CustomEvent =
  globalThis.CustomEvent ??
  // Node 18 has none.
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
  /** Between start() and its end. */
  #started = false;
  #online = () => this.retry();

  /** @param {import("./types.js").FeedOptions} [options] */
  constructor(options = {}) {
    super();
    const { url = ownOrigin(), token, filters = {}, lastEventId = null, keep = 5_000 } = options;
    // A bad address would else look like a broken network.
    new URL(url, globalThis.location?.href);
    checkToken(token);
    const cursor = lastEventId === "" ? null : toId(lastEventId);
    if (cursor === null && lastEventId) throw new TypeError("lastEventId is not the id of an event");
    const timers = new Timers(options);
    this.#filters = { ...filters };
    this.#ledger = new Ledger({
      keep: Math.max(1, keep),
      cursor,
      now: timers.now,
      listener: {
        events: (detail) => this.#tell("events", detail),
        gap: (detail) => this.#tell("gap", detail),
        heartbeat: (detail) => this.#tell("heartbeat", detail),
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
      onHeartbeat: () => this.#tell("heartbeat", { ts: null }),
      onOver: (reason, error) => this.#over(reason, error),
    });
  }

  get state() {
    return this.#state;
  }

  /** Why the state is what it is. */
  get reason() {
    return this.#reason;
  }

  /** What the server said, or what broke, if that is why. */
  get error() {
    return this.#error;
  }

  /** When the next try is, in milliseconds since the epoch; null while none is planned. */
  get retryAt() {
    return this.#retryAt;
  }

  /** Tries since the last success. */
  get tries() {
    return this.#connector.tries;
  }

  /** The last events, at most `keep`, the oldest first. Read it anew each time, and don't change it. */
  get events() {
    return /** @type {readonly import("./types.js").OasisEvent[]} */ (this.#ledger.events);
  }

  /** Where a reconnect goes on; also past what a filter leaves out. */
  get lastEventId() {
    return this.#ledger.cursor;
  }

  /** How far behind its `ts` the newest live event came, in milliseconds; null before one came. */
  get delay() {
    return this.#ledger.delay;
  }

  get transport() {
    return this.#connector.transport;
  }

  get filters() {
    return /** @type {Readonly<import("./types.js").Filters>} */ (this.#filters);
  }

  /** Connects, and stays so; after stop(), goes on where it stood. */
  start() {
    if (!this.#connector.running) this.#begin("start", "sse");
  }

  /** Ends everything: no connection and no timer is left. */
  stop() {
    this.#started = false;
    this.#connector.halt();
    globalThis.window?.removeEventListener("online", this.#online);
    this.#set({ state: "offline", reason: "stopped" });
  }

  /** Tries now rather than at `retryAt`, and anew where it was given up. */
  retry() {
    if (!this.#connector.wake() && this.#started && !this.#connector.running) this.#begin("retry", "sse");
  }

  /**
   * Shows something else from now on, beginning with the last 20 that match.
   *
   * @param {import("./types.js").Filters} filters
   */
  setFilters(filters) {
    if (address("", "", filters) === address("", "", this.#filters)) return;
    this.#filters = { ...filters };
    this.#connector.halt();
    this.#connector.forget();
    this.#ledger.beginAnew();
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
  #over(reason, error) {
    // Another network makes no difference to a server that has said no.
    if (reason !== "gave_up") globalThis.window?.removeEventListener("online", this.#online);
    if (reason === "done") this.#started = false;
    this.#set({ state: "offline", reason, error });
  }

  /** @param {import("./connector.js").Change} change */
  #set({ state, reason, retryAt = null, error = null }) {
    const previous = this.#state;
    if (state === previous && retryAt === this.#retryAt && reason === this.#reason) return;
    // A poll that goes on is no news.
    if (state === previous && state === "live") return;
    this.#state = state;
    this.#reason = reason;
    this.#retryAt = retryAt;
    this.#error = error;
    this.#tell("state", { state, previous, retryAt, reason, error });
  }

  /**
   * @param {keyof FeedEventMap} type
   * @param {unknown} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
