// Defines `OasisStream`, which stays connected, and dispatches what its stream delivers and each change of
// its state. A profile describes the stream: its address, its frames and its polls.

import { Backoff } from "./backoff.js";
import { Connector } from "./connector.js";
import { Timers } from "./timers.js";
import { checkToken, ownOrigin, toId } from "./wire.js";

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

/** @template {import("./types.js").StreamEventMap} M The events by name. */
export class OasisStream extends EventTarget {
  #connector;
  #frames;
  /** @type {import("./types.js").FeedState} */
  #state = "offline";
  /** @type {import("./types.js").Reason} */
  #reason = "stopped";
  /** @type {import("./errors.js").OasisError | null} */
  #error = null;
  /** @type {number | null} */
  #retryAt = null;
  /** Whether start() was called, and neither stop() nor the server has ended the stream since then. */
  #started = false;
  #online = () => this.retry();

  /**
   * @param {import("./types.js").Profile<M>} profile
   * @param {import("./types.js").StreamOptions} [options]
   */
  constructor(profile, options = {}) {
    super();
    const { url = ownOrigin(), token, lastEventId = null } = options;
    // Without this check, an invalid address looks like a network failure.
    new URL(url, globalThis.location?.href);
    if (typeof token !== "function") checkToken(token);
    const cursor = lastEventId === "" ? null : toId(lastEventId);
    if (cursor === null && lastEventId) throw new TypeError("lastEventId must be the id of an event");
    const timers = new Timers(options);
    const random = options.random ?? Math.random;
    const parts = profile({
      cursor,
      now: timers.now,
      emit: (type, detail) => this.#emit(type, detail),
      mode: (mode, connected) => {
        if (connected) this.#connector.connected();
        this.#set({ state: mode, reason: connected ? "connected" : "mode" });
      },
    });
    this.#frames = parts.frames;
    this.#connector = new Connector({
      url,
      token,
      maxTries: options.maxTries ?? 10,
      silence: options.silence ?? parts.silence,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      random,
      backoff: new Backoff(random, options.initialRetryDelay, options.maxRetryDelay),
      timers,
      parts,
      onState: (change) => this.#set(change),
      onHeartbeat: () => this.#emit("heartbeat", parts.pollHeartbeat),
      onEnd: (reason, error) => this.#end(reason, error),
    });
  }

  get state() {
    return this.#state;
  }

  /** Why the stream is in this state. */
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

  /** The cursor from which a reconnect resumes. It also moves past rows that the stream does not deliver. */
  get lastEventId() {
    return this.#frames.cursor;
  }

  get transport() {
    return this.#connector.transport;
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

  /** Connects at once, even if the client has given up or the server has refused the stream. */
  retry() {
    if (!this.#connector.wake() && this.#started && !this.#connector.running) this.#begin("retry", "sse");
  }

  /**
   * Ends the connection, and begins a new one if the stream was started. For profiles whose parameters
   * change.
   *
   * @protected
   * @param {() => void} forget Called between the two connections. Must forget the cursor.
   */
  begin(forget) {
    this.#connector.halt();
    this.#connector.forget();
    forget();
    if (this.#started) this.#begin("filters", this.transport);
  }

  /**
   * @template {keyof M & string} K
   * @param {K} type
   * @param {((event: M[K]) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, /** @type {EventListener} */ (listener), options);
  }

  /**
   * @template {keyof M & string} K
   * @param {K} type
   * @param {((event: M[K]) => void) | EventListenerObject | null} listener
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
    this.#connector.begin(transport, () => this.#set({ state: "connecting", reason }));
  }

  /**
   * @param {import("./types.js").Reason} reason
   * @param {import("./errors.js").OasisError | null} error
   */
  #end(reason, error) {
    // If the server refused the stream, a new network connection would not change the server's answer.
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
   * @param {string} type
   * @param {unknown} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
