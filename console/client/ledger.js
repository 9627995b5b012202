// What came: the events that are kept, the cursor, the mode. Knows nothing of connections and time-outs.

import { isObject, toEvent, toId } from "./wire.js";

/**
 * @typedef {object} Listener
 * @property {(detail: import("./types.js").EventsDetail) => void} events
 * @property {(detail: import("./types.js").GapDetail) => void} gap
 * @property {(detail: import("./types.js").HeartbeatDetail) => void} heartbeat
 * @property {(mode: "live" | "mock", connected: boolean) => void} mode
 */

/** So many of the newest live events tell how far behind the feed is. */
const RECENT = 15;

export class Ledger {
  /** @type {import("./types.js").OasisEvent[]} */
  #kept = [];
  /** @type {number | null} Everything up to this id was shown or passed over. */
  cursor;
  /** @type {number[]} How late each of the newest live events came, in milliseconds. */
  #late = [];
  #keep;
  #now;
  #listener;
  #mock = false;
  #head = 0;
  /** @type {import("./types.js").OasisEvent[]} */
  #batch = [];
  #batchIsReplay = false;

  /**
   * @param {{ keep: number, cursor: number | null, now: () => number, listener: Listener }} options
   */
  constructor({ keep, cursor, now, listener }) {
    this.#keep = keep;
    this.cursor = cursor;
    this.#now = now;
    this.#listener = listener;
  }

  /** The last events, at most as many as are to be kept. */
  get events() {
    this.#trim(0);
    return this.#kept;
  }

  /**
   * The middle one: some events are told long after their time, such as a check that ended while another was
   * asked for, and say nothing of the feed.
   */
  get delay() {
    return [...this.#late].sort((a, b) => a - b)[this.#late.length >> 1] ?? null;
  }

  /**
   * Taking the first out of many moves all the others, so it is done seldom.
   *
   * @param {number} slack
   */
  #trim(slack) {
    const over = this.#kept.length - this.#keep;
    if (over > slack) this.#kept.splice(0, over);
  }

  /** Forgets everything: what comes next has nothing to do with what was shown. */
  beginAnew() {
    this.#kept.length = 0;
    this.cursor = null;
    this.#late = [];
  }

  /**
   * Takes in what one chunk of the network has completed.
   *
   * @param {import("./sse.js").Block[]} blocks
   * @param {AbortSignal} signal A listener may end it all in the middle.
   * @returns {number} How many events were new.
   */
  takeBlocks(blocks, signal) {
    let fresh = 0;
    for (const block of blocks) {
      const id = toId(block.id);
      const named = block.event !== "" && block.event !== "message";
      const value = named ? null : parse(block.data);
      if (value && typeof value.type === "string") {
        this.#flush();
        if (!signal.aborted) this.#message(value);
      } else if (value) {
        fresh += this.#event(id, value, signal);
      }
      // What was not delivered must come again.
      if (signal.aborted) return fresh;
      if (id !== null && id > (this.cursor ?? -1)) this.cursor = id;
    }
    this.#flush();
    return fresh;
  }

  /**
   * Takes in what a poll has found.
   *
   * @param {import("./poll.js").Polled} polled
   * @param {boolean} replay
   * @param {AbortSignal} signal
   */
  takePolled({ events, gap, upTo }, replay, signal) {
    this.#forgetSimulated();
    this.#head = replay ? Number.MAX_SAFE_INTEGER : 0;
    if (gap) this.#gap(gap);
    if (signal.aborted) return;
    for (const event of events) {
      this.#event(event.id, event, signal);
      this.cursor = Math.max(this.cursor ?? 0, event.id);
    }
    if (upTo !== null) this.cursor = Math.max(this.cursor ?? 0, upTo);
    this.#flush();
  }

  /** @param {Record<string, unknown>} value */
  #message(value) {
    switch (value.type) {
      case "connected":
        this.#head = toId(value.head) ?? 0;
        return this.#mode(value.mode, true);
      case "mode":
        return this.#mode(value.mode, false);
      case "heartbeat":
        return this.#listener.heartbeat({ ts: typeof value.ts === "string" ? value.ts : null });
      case "gap":
        return this.#gap({
          from: toId(value.from),
          to: toId(value.to),
          reason: value.reason === "reset" ? "reset" : "pruned",
        });
      // What a newer server has to say besides is no event.
    }
  }

  /**
   * @param {unknown} mode
   * @param {boolean} connected
   */
  #mode(mode, connected) {
    this.#mock = mode === "mock";
    if (connected || !this.#mock) this.#forgetSimulated();
    this.#listener.mode(this.#mock ? "mock" : "live", connected);
  }

  #forgetSimulated() {
    if (this.#kept.some((event) => event.simulated)) {
      const real = this.#kept.filter((event) => !event.simulated);
      this.#kept.length = 0;
      for (const event of real) this.#kept.push(event);
    }
  }

  /** @param {import("./types.js").GapDetail} gap */
  #gap(gap) {
    if (gap.reason === "reset") {
      // The last events follow, whose ids lie below. No cursor, until the first of them has come: a
      // connection that is lost just now begins with the last events again.
      this.beginAnew();
      this.#head = gap.to ?? 0;
    } else if (gap.to !== null && gap.to > (this.cursor ?? -1)) {
      this.cursor = gap.to;
    }
    this.#listener.gap(gap);
  }

  /**
   * @param {number | null} id
   * @param {Record<string, unknown>} value
   * @param {AbortSignal} signal
   * @returns {number} 1 if it was new.
   */
  #event(id, value, signal) {
    const replay = id !== null && id <= this.#head;
    // Without an id, an event that is not simulated has no place.
    if (id === null ? !this.#mock : id <= (this.cursor ?? -1)) return 0;
    if (replay !== this.#batchIsReplay) this.#flush();
    if (signal.aborted) return 0;
    this.#batchIsReplay = replay;
    this.#batch.push(toEvent(id, value, this.#now()));
    return id === null ? 0 : 1;
  }

  #flush() {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    for (const event of batch.slice(-this.#keep)) this.#kept.push(event);
    this.#trim(this.#keep / 4);
    if (!this.#batchIsReplay) this.#note(batch.slice(-RECENT));
    this.#listener.events({ events: batch, replay: this.#batchIsReplay });
  }

  /** @param {import("./types.js").OasisEvent[]} events */
  #note(events) {
    const late = events
      .filter((event) => !event.simulated)
      .map((event) => event.receivedAt - Date.parse(event.ts));
    // Clocks differ, but nothing arrives before it happens.
    const known = late.filter((ms) => !Number.isNaN(ms)).map((ms) => Math.max(ms, 0));
    this.#late = [...this.#late, ...known].slice(-RECENT);
  }
}

/** @param {string | null} data */
function parse(data) {
  if (data === null) return null;
  try {
    const value = JSON.parse(data);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
