// Reads one connection of a stream and classifies the end of the connection. Uses `fetch`, because
// `EventSource` cannot send headers and does not report the HTTP status or silence.

import { OasisError, readError } from "./errors.js";
import { BlockTooLarge, SseParser } from "./sse.js";
import { childOf } from "./timers.js";

/** The gateway sends the first bytes at once. If none arrive in this time, a proxy holds the stream back. */
const FIRST_BYTE_MS = 10_000;

/**
 * How a connection ended. The client tries again after `lost` and `absent`, stops after `refused` and `done`,
 * and polls after `unstreamable`, because streams do not get through.
 *
 * @typedef {object} End
 * @property {"lost" | "absent" | "refused" | "done" | "unstreamable"} kind
 * @property {import("./types.js").Reason} reason
 * @property {OasisError | null} error
 */

/**
 * @typedef {object} Connection
 * @property {string} target
 * @property {Record<string, string>} headers
 * @property {typeof globalThis.fetch} fetch
 * @property {import("./timers.js").Timers} timers
 * @property {number} silence
 * @property {AbortSignal} signal
 * @property {() => void} onFirstByte
 * @property {(blocks: import("./sse.js").Block[]) => End | null} onBlocks Returns an end if the blocks end
 *   the stream.
 */

/**
 * @param {End["kind"]} kind
 * @param {import("./types.js").Reason} reason
 * @param {OasisError | null} error
 * @returns {End}
 */
export const end = (kind, reason, error = null) => ({ kind, reason, error });

/**
 * Opens a connection and reads it until either side ends it. Leaves no timer or listener behind.
 *
 * @param {Connection} connection
 * @returns {Promise<End>}
 */
export async function readStream({ target, headers, fetch, timers, silence, signal, onFirstByte, onBlocks }) {
  const { controller, free } = childOf(signal);
  /** @type {End | null} */
  let givenUp = null;
  /** @param {End} end */
  const giveUp = (end) => {
    givenUp = end;
    controller.abort();
  };
  let lastByteAt = timers.now();
  const checkSilence = () => {
    const rest = lastByteAt + silence - timers.now();
    // A single timer checks for silence, because a new timer for each chunk could mean a thousand timers a
    // second.
    if (rest > 0) timers.after(rest, controller.signal, checkSilence);
    else giveUp(end("lost", "silence"));
  };
  checkSilence();
  try {
    const response = await fetch(target, { headers, cache: "no-store", signal: controller.signal });
    lastByteAt = timers.now();
    const refused = await refusal(response, timers.now);
    if (refused) return givenUp ?? refused;
    const reader = response.body?.getReader?.();
    if (!reader) return end("unstreamable", "silence");
    // A custom `fetch` may ignore the signal, so cancel the reader as well.
    controller.signal.addEventListener("abort", () => reader.cancel().catch(() => {}));
    const cancelTimeout = timers.after(FIRST_BYTE_MS, controller.signal, () =>
      giveUp(end("unstreamable", "silence")),
    );
    const parser = new SseParser();
    let first = true;
    for (;;) {
      const { done, value } = await reader.read();
      if (controller.signal.aborted) return givenUp ?? end("lost", "closed");
      if (done) return end("lost", "closed");
      if (value.length === 0) continue;
      lastByteAt = timers.now();
      if (first) {
        first = false;
        cancelTimeout();
        onFirstByte();
      }
      const ended = onBlocks(parser.feed(value));
      if (ended) return ended;
    }
  } catch (error) {
    return givenUp ?? broken(error);
  } finally {
    controller.abort();
    free();
  }
}

/**
 * Classifies a failed request or a broken connection.
 *
 * @param {unknown} error
 */
export function broken(error) {
  if (error instanceof OasisError && error.status > 0) return refusedWith(error);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof BlockTooLarge) {
    return end("lost", "block_too_large", new OasisError("block_too_large", message));
  }
  const cause = error instanceof OasisError ? error : new OasisError("network", message);
  return end("lost", cause.code === "bad_answer" ? "not_a_feed" : "network", cause);
}

/**
 * Classifies a response that is not a stream. Returns null if the response is a stream.
 *
 * @param {Response} response
 * @param {() => number} now
 */
async function refusal(response, now) {
  if (response.status === 204) return end("done", "done");
  if (!response.ok) return refusedWith(await readError(response, now));
  const type = response.headers.get("content-type") ?? "";
  if (response.status === 200 && /^\s*text\/event-stream\s*(;|$)/i.test(type)) return null;
  const hint = "check that url is the gateway's address";
  const message = "the response is not an event stream";
  // The problem may be temporary: a captive portal answers every request with a login page until the user
  // signs in.
  return end("lost", "not_a_feed", new OasisError("not_a_feed", message, hint, response.status));
}

/** @param {OasisError} error */
function refusedWith(error) {
  const { status } = error;
  if (status < 400) return end("lost", "not_a_feed", error);
  if (status === 429 || status === 503) return end("lost", "busy", error);
  if (status === 408 || status === 425 || status >= 500) return end("lost", "server_error", error);
  switch (status) {
    case 400:
      return end("refused", "bad_request", error);
    case 401:
      return end("refused", "unauthorized", error);
    case 403:
      return end("refused", "forbidden", error);
    case 404:
      return end("absent", "not_found", error);
    default:
      return end("refused", "refused", error);
  }
}
