// Follows a stream of casts, and reads the query API when the stream reports news. The stream does not report
// all fields of a cast.

import { castProfile } from "../../client/casts.js";
import { OasisStream } from "../../client/stream.js";
import { GATEWAY } from "../address.js";

/** The minimum time between the starts of two reads, in milliseconds. */
const APART_MS = 1_000;
/** The wait after a read that failed. */
const AGAIN_MS = 5_000;

/**
 * @typedef {object} Work
 * @property {(updates: import("../../client/casts.js").CastUpdate[]) => boolean} take Takes updates of the
 *   stream. Returns whether to read the query API again.
 * @property {(options: import("../../client/casts.js").CastQueryOptions) => Promise<() => void>} read Reads
 *   the query API. Returns a function that shows what was read.
 * @property {() => void} changed The state of the stream, or of the last read, has changed.
 */

/** @param {unknown} error */
const isRefusal = (error) => {
  const status = /** @type {{ status?: number } | null} */ (error)?.status ?? 0;
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
};

export class Follow {
  stream;
  /** Whether a read has succeeded. */
  isKnown = false;
  /** @type {unknown} Why the last read failed; null if it succeeded. */
  #readError = null;
  /** Whether the page has stopped the stream, so that it may start the stream again. */
  #isStopped = true;
  #options;
  #work;
  /** @type {AbortController | null} */
  #reading = null;
  /** Whether there was news during the last read, which may lack this news. */
  #isStale = false;
  #readAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string | null} id The id of the cast; null for all casts of the user.
   * @param {string | undefined} token
   * @param {Work} work
   * @throws {TypeError} If the id is not the id of a cast.
   */
  constructor(id, token, work) {
    this.#options = { url: GATEWAY, token };
    this.#work = work;
    this.stream = new OasisStream(castProfile(id), { ...this.#options, maxTries: Infinity });
    this.stream.addEventListener("updates", ({ detail }) => {
      if (work.take(detail.updates)) this.read();
      work.changed();
    });
    this.stream.addEventListener("gap", () => this.read());
    this.stream.addEventListener("state", ({ detail }) => {
      // A read from before the connection could lack a change that the stream does not report.
      if (detail.state === "live" || detail.reason === "done") this.read();
      work.changed();
    });
  }

  /** Whether the stream has ended because the cast has ended. */
  get isOver() {
    return this.stream.reason === "done";
  }

  /** @type {import("../../client/errors.js").OasisError | null} Why the stream was refused. */
  get refusal() {
    const { state, reason, error } = this.stream;
    return state === "offline" && reason !== "stopped" ? error : null;
  }

  /** What the reader must know before anything can be shown; null if there is no error. */
  get error() {
    return this.refusal ?? this.#readError;
  }

  /** Starts or resumes the stream, unless it was started before. */
  start() {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.stream.start();
    this.read();
  }

  stop() {
    this.#isStopped = true;
    this.stream.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#reading?.abort();
    this.#reading = null;
  }

  retry() {
    this.stream.retry();
    this.read();
  }

  /** Reads the query API soon. @param {number} [wait] */
  read(wait = this.#readAt + APART_MS - Date.now()) {
    if (this.#reading) this.#isStale = true;
    else if (!this.#isStopped) this.#timer ??= setTimeout(() => void this.#readNow(), Math.max(0, wait));
  }

  async #readNow() {
    const control = new AbortController();
    const { signal } = control;
    this.#timer = undefined;
    this.#reading = control;
    this.#isStale = false;
    this.#readAt = Date.now();
    try {
      const show = await this.#work.read({ ...this.#options, signal });
      if (signal.aborted) return;
      this.isKnown = true;
      this.#readError = null;
      show();
    } catch (error) {
      if (signal.aborted) return;
      this.#readError = error;
    }
    this.#reading = null;
    if (this.#readError && !isRefusal(this.#readError)) this.read(AGAIN_MS);
    else if (this.#isStale) this.read();
    this.#work.changed();
  }
}
