// Keeps the state of a feed: the last events, the cursor and the mode. Does not deal with connections.

import { parseObject, toEvent, toId } from "./wire.js";

/**
 * @typedef {object} Listener
 * @property {(detail: import("./types.js").EventsDetail) => void} events
 * @property {(detail: import("./types.js").GapDetail) => void} gap
 * @property {(detail: import("./types.js").HeartbeatDetail) => void} heartbeat
 * @property {(mode: "live" | "mock", connected: boolean) => void} mode
 */

/** The number of live events, counted from the newest, over which the median delay is computed. */
const RECENT = 15;
/** A smaller difference between two clocks may be the time that the message took. */
const TOLERANCE_MS = 2_000;

export class Ledger {
  /** @type {import("./types.js").OasisEvent[]} */
  #kept = [];
  /** @type {number | null} Every event up to this id was delivered or skipped. */
  cursor;
  /** @type {number[]} The delay of each of the newest live events, in milliseconds. */
  #delays = [];
  #keep;
  #now;
  #listener;
  /** The clock of the client minus the clock of the gateway, in milliseconds; 0 for a small difference. */
  clockOffset = 0;
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

  /** The last events. There are at most `keep` events. */
  get events() {
    this.#trim(0);
    return this.#kept;
  }

  /**
   * The median delay, in milliseconds; null before the first live event. An average would be wrong, because
   * some sources report an event long after its `ts`.
   */
  get delay() {
    return [...this.#delays].sort((a, b) => a - b)[this.#delays.length >> 1] ?? null;
  }

  /**
   * Drops the oldest events beyond `keep`. Removing the first elements of a long array moves all other
   * elements, so callers allow some slack.
   *
   * @param {number} slack How many events beyond `keep` may stay.
   */
  #trim(slack) {
    const over = this.#kept.length - this.#keep;
    if (over > slack) this.#kept.splice(0, over);
  }

  /** Forgets the events, the cursor and the delays. */
  reset() {
    this.#kept.length = 0;
    this.cursor = null;
    this.#delays = [];
  }

  /**
   * Processes the blocks that one network chunk completed.
   *
   * @param {import("./sse.js").Block[]} blocks
   * @param {AbortSignal} signal Aborted if a listener stops the feed between two blocks.
   * @returns {import("./types.js").Taken}
   */
  takeBlocks(blocks, signal) {
    let fresh = 0;
    for (const block of blocks) {
      const id = toId(block.id);
      const named = block.event !== "" && block.event !== "message";
      const value = named ? null : parseObject(block.data);
      if (value && typeof value.type === "string") {
        this.#flush();
        if (!signal.aborted) this.#message(value);
      } else if (value) {
        fresh += this.#event(id, value, signal);
      }
      // An event that was not delivered must arrive again, so the cursor stays before the event.
      if (signal.aborted) break;
      if (id !== null && id > (this.cursor ?? -1)) this.cursor = id;
    }
    if (!signal.aborted) this.#flush();
    return { fresh, ended: null };
  }

  /**
   * Processes the result of a poll.
   *
   * @param {import("./poll.js").PollResult} result
   * @param {boolean} replay Whether the events were stored before the feed connected.
   * @param {AbortSignal} signal
   */
  takePoll({ events, gap, upTo }, replay, signal) {
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
        this.#compareClocks(value.ts);
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
      // Ignore other types, which a newer server may send.
    }
  }

  /** @param {unknown} sent The gateway's time when it sent the message. */
  #compareClocks(sent) {
    const offset = this.#now() - Date.parse(String(sent));
    this.clockOffset = Math.abs(offset) >= TOLERANCE_MS ? offset : 0;
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
      // After this message, the server sends the last events again. Their ids are below the old cursor. The
      // cursor stays null until the first of these events arrives. If the connection is lost earlier, the
      // next connection starts with the last events.
      this.reset();
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
   * @returns {number} 1 if the event is new, else 0.
   */
  #event(id, value, signal) {
    const replay = id !== null && id <= this.#head;
    // Only simulated events may lack an id, and only ids above the cursor are new.
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
    if (!this.#batchIsReplay) this.#noteDelays(batch.slice(-RECENT));
    this.#listener.events({ events: batch, replay: this.#batchIsReplay });
  }

  /** @param {import("./types.js").OasisEvent[]} events */
  #noteDelays(events) {
    const delays = events
      .filter((event) => !event.simulated)
      .map((event) => event.receivedAt - Date.parse(event.ts));
    // Clocks differ, so a measured delay may be negative.
    const known = delays.filter((ms) => !Number.isNaN(ms)).map((ms) => Math.max(ms, 0));
    this.#delays = [...this.#delays, ...known].slice(-RECENT);
  }
}
