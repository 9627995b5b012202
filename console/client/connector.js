// Keeps a stream connected: connects, waits after a failure, tries again, and polls if a proxy blocks
// streams. The profile of a stream decides what to request and how to read the frames.

import { broken, end, readStream } from "./connection.js";
import { OasisError } from "./errors.js";
import { childOf } from "./timers.js";
import { address, checkToken, headers } from "./wire.js";

/** A connection that lasted this long, or delivered an event, counts as a success. */
const PROVEN_MS = 5_000;
const POLL_MS = 2_000;
/** The time between two attempts to open a stream while the client polls. */
const PROBE_MS = 60_000;
/** After this many silent connections in a row, the client polls. A proxy may hold back small chunks. */
const SILENCES = 2;
/** The maximum random addition to the wait that a server asks for. */
const SPREAD_MS = 1_000;

/** @typedef {import("./types.js").Reason} Reason */
/** @typedef {import("./connection.js").End} End */
/** @typedef {import("./types.js").Token} Token */

/**
 * @typedef {object} Change
 * @property {import("./types.js").FeedState} state
 * @property {Reason} reason
 * @property {number | null} [retryAt]
 * @property {OasisError | null} [error]
 */

/**
 * @typedef {object} Setup
 * @property {string} url
 * @property {Token | undefined} token
 * @property {number} maxTries
 * @property {number} silence
 * @property {typeof globalThis.fetch} fetch
 * @property {() => number} random
 * @property {import("./backoff.js").Backoff} backoff
 * @property {import("./timers.js").Timers} timers
 * @property {import("./types.js").Parts} parts
 * @property {(change: Change) => void} onState
 * @property {() => void} onHeartbeat
 * @property {(reason: Reason, error: OasisError | null) => void} onEnd
 */

export class Connector {
  /** The number of attempts since the last success. */
  tries = 0;
  /** @type {"sse" | "poll"} */
  transport = "sse";
  #setup;
  #backoff;
  /** @type {import("./types.js").Polls | null} */
  #polls = null;
  /** @type {string | undefined} The token of the last attempt. */
  #token;
  /** @type {AbortController | null} */
  #run = null;
  /** @type {(() => void) | null} Ends the wait for the next attempt. */
  #wake = null;
  /** @type {End | null} How the last attempt ended, if its token was refused and a newer token may exist. */
  #expired = null;
  #silences = 0;
  #probeAt = 0;
  /** @type {number | null} */
  #connectedAt = null;

  /** @param {Setup} setup */
  constructor(setup) {
    this.#setup = setup;
    this.#backoff = setup.backoff;
  }

  get running() {
    return this.#run !== null;
  }

  /**
   * Starts to connect. Ends an earlier run first.
   *
   * @param {"sse" | "poll"} transport
   * @param {() => void} announce Called before the first attempt. May call `halt`.
   */
  begin(transport, announce) {
    this.halt();
    const run = new AbortController();
    this.#run = run;
    this.transport = transport;
    this.tries = 0;
    this.#silences = 0;
    this.#expired = null;
    this.#backoff.reset();
    announce();
    void this.#loop(run.signal);
  }

  halt() {
    this.#run?.abort();
    this.#run = null;
    this.#wake = null;
  }

  /** Forgets what earlier polls found. Call this method when the parameters of the stream change. */
  forget() {
    this.#polls = null;
  }

  /** Ends the wait for the next attempt. Returns false if there is no wait. */
  wake() {
    const wake = this.#wake;
    wake?.();
    return wake !== null;
  }

  /** Notes that the gateway has sent the first frame of a connection. */
  connected() {
    this.#connectedAt ??= this.#setup.timers.now();
  }

  /** @param {AbortSignal} signal */
  async #loop(signal) {
    while (!signal.aborted) {
      this.tries += 1;
      const ended = await this.#attempt(signal);
      if (signal.aborted) return;
      if (ended.kind === "unstreamable") {
        // The server responded, so the attempt did not fail.
        this.tries -= 1;
        this.#switchToPolling();
        continue;
      }
      const final = ended.kind === "refused" || ended.kind === "done";
      if (final || this.tries >= this.#setup.maxTries) {
        this.#run = null;
        this.#setup.onEnd(final ? ended.reason : "gave_up", ended.error);
        return;
      }
      this.#silences = ended.reason === "silence" ? this.#silences + 1 : 0;
      const canPoll = this.#setup.parts.polls !== null;
      if (canPoll && this.#silences >= SILENCES && this.transport === "sse") this.#switchToPolling();
      await this.#wait(ended, signal);
      if (!signal.aborted) this.#setup.onState({ state: "reconnecting", reason: "trying" });
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<End>} */
  async #attempt(signal) {
    const used = this.#token;
    try {
      await this.#renewToken();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return end("lost", "token", new OasisError("token", message));
    }
    if (signal.aborted) return end("lost", "closed");
    if (this.#expired && this.#token === used) return this.#expired;
    this.#expired = null;
    const ended = await (this.transport === "sse" ? this.#stream(signal) : this.#poll(signal));
    const { parts, token } = this.#setup;
    if (ended.kind === "absent" && !parts.mayAppear) return { ...ended, kind: "refused" };
    if (ended.kind === "unstreamable" && parts.polls === null) return { ...ended, kind: "lost" };
    const isExpired = ended.reason === "token_expired" || ended.reason === "unauthorized";
    if (!isExpired || typeof token !== "function") return ended;
    // The function may return a newer token. If it returns the same token, the next attempt ends the stream.
    this.#expired = ended;
    return { ...ended, kind: "lost" };
  }

  /** Asks for the token, which may change between two attempts. */
  async #renewToken() {
    const { token } = this.#setup;
    const renewed = typeof token === "function" ? await token() : token;
    checkToken(renewed ?? undefined);
    this.#token = renewed ?? undefined;
  }

  #switchToPolling() {
    this.#silences = 0;
    this.transport = "poll";
    this.#probeAt = this.#setup.timers.now() + PROBE_MS;
  }

  /**
   * @param {End} ended
   * @param {AbortSignal} signal
   */
  async #wait({ kind, reason, error }, signal) {
    const { timers, random, onState } = this.#setup;
    const asked = error?.retryAfter == null ? 0 : error.retryAfter + random() * SPREAD_MS;
    const milliseconds = Math.max(this.#backoff.next(), Math.round(asked));
    const { controller, free } = childOf(signal);
    const wake = () => controller.abort();
    this.#wake = wake;
    const state = kind === "absent" ? "offline" : "reconnecting";
    onState({ state, reason, error, retryAt: timers.now() + milliseconds });
    await timers.sleep(milliseconds, controller.signal);
    if (this.#wake === wake) this.#wake = null;
    free();
  }

  /** @param {number | null} asked The wait that the server asked for; null if it asked for none. */
  #succeeded(asked) {
    this.tries = 0;
    this.#backoff.reset(asked);
  }

  /**
   * Opens one stream and reads it to its end.
   *
   * @param {AbortSignal} signal
   * @param {() => void} [onFirstByte]
   */
  async #stream(signal, onFirstByte = () => {}) {
    const { url, fetch, timers, silence, parts } = this.#setup;
    const { frames } = parts;
    const sent = headers(this.#token, "text/event-stream");
    if (frames.cursor !== null) sent["Last-Event-ID"] = String(frames.cursor);
    this.#connectedAt = null;
    /** @type {number | null} */
    let asked = null;
    /** @param {number} fresh The number of new events. */
    const noteSuccess = (fresh) => {
      const since = this.#connectedAt;
      if (since !== null && (fresh > 0 || timers.now() - since >= PROVEN_MS)) this.#succeeded(asked);
    };
    const ended = await readStream({
      target: address(url, parts.path, parts.parameters(frames.cursor)),
      headers: sent,
      fetch,
      timers,
      silence,
      signal,
      onFirstByte,
      onBlocks: (blocks) => {
        for (const { retry } of blocks) {
          if (retry === null) continue;
          asked = retry;
          this.#backoff.ask(retry);
        }
        const { fresh, ended } = frames.takeBlocks(blocks, signal);
        if (!signal.aborted) noteSuccess(fresh);
        return ended;
      },
    });
    if (!signal.aborted) noteSuccess(0);
    return ended;
  }

  /**
   * Polls until a poll fails. If a stream gets through, stops polling and reads the stream to its end.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<End>}
   */
  async #poll(signal) {
    const { timers, parts, onState, onHeartbeat } = this.#setup;
    const polls = childOf(signal);
    const probe = childOf(signal);
    const { signal: pollSignal } = polls.controller;
    /** @type {Promise<End> | null} */
    let stream = null;
    const takeOver = () => {
      this.transport = "sse";
      polls.controller.abort();
    };
    let worked = false;
    try {
      while (!pollSignal.aborted) {
        const result = await this.#pollOnce(pollSignal);
        if (pollSignal.aborted) break;
        if ("kind" in result) {
          // If a proxy only holds streams back, the first poll succeeds. If the first poll fails, the cause
          // is something else, so try streams again.
          if (!worked) this.transport = "sse";
          return result;
        }
        this.#succeeded(null);
        onState({ state: "live", reason: "polling" });
        const ended = pollSignal.aborted ? null : result.deliver(!worked, pollSignal);
        if (!pollSignal.aborted) onHeartbeat();
        if (ended) return ended;
        worked = true;
        if (stream === null && !pollSignal.aborted && timers.now() >= this.#probeAt) {
          stream = this.#stream(probe.controller.signal, takeOver);
          stream.then(() => {
            if (!pollSignal.aborted) stream = null;
            this.#probeAt = timers.now() + PROBE_MS;
          });
        }
        await timers.sleep(parts.pollInterval ?? POLL_MS, pollSignal);
      }
      return stream && !signal.aborted ? await stream : end("lost", "closed");
    } finally {
      probe.controller.abort();
      probe.free();
      polls.free();
    }
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<import("./types.js").Polled | End>}
   */
  async #pollOnce(signal) {
    const { url, fetch, timers, silence, parts } = this.#setup;
    const { controller, free } = childOf(signal);
    let silent = false;
    const cancelTimeout = timers.after(silence, controller.signal, () => {
      silent = true;
      controller.abort();
    });
    try {
      this.#polls ??= parts.polls?.() ?? null;
      if (this.#polls === null) return end("lost", "silence");
      return await this.#polls.next({ url, token: this.#token, fetch, signal: controller.signal });
    } catch (error) {
      return silent ? end("lost", "silence") : broken(error);
    } finally {
      cancelTimeout();
      free();
    }
  }
}
