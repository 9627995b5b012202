// One connection of the feed, and how it ends. Uses fetch rather than EventSource, which tells neither of a
// status nor of silence, and takes no headers.

import { OasisError, readError } from "./errors.js";
import { BlockTooLarge, SseParser } from "./sse.js";
import { childOf } from "./timers.js";

/** A feed speaks at once; one that doesn't stands behind a proxy that holds everything back. */
const FIRST_BYTE_MS = 10_000;

/**
 * How a connection ended: it may be tried again (`lost`, `absent`), or not (`refused`, `done`), or streams
 * don't get through at all (`unstreamable`).
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
 * @property {(blocks: import("./sse.js").Block[]) => void} onBlocks
 */

/**
 * @param {End["kind"]} kind
 * @param {import("./types.js").Reason} reason
 * @param {OasisError | null} error
 * @returns {End}
 */
export const end = (kind, reason, error = null) => ({ kind, reason, error });

/**
 * Opens a connection and reads until it ends, whoever ends it. Nothing of it stays behind.
 *
 * @param {Connection} connection
 * @returns {Promise<End>}
 */
export async function readStream({ target, headers, fetch, timers, silence, signal, onFirstByte, onBlocks }) {
  const { controller, free } = childOf(signal);
  /** @type {End | null} */
  let given = null;
  /** @param {End} end */
  const giveUp = (end) => {
    given = end;
    controller.abort();
  };
  let heardAt = timers.now();
  const watch = () => {
    const rest = heardAt + silence - timers.now();
    // Looked at now and then rather than set anew with each chunk: there may be a thousand a second.
    if (rest > 0) timers.after(rest, controller.signal, watch);
    else giveUp(end("lost", "silence"));
  };
  watch();
  try {
    const response = await fetch(target, { headers, cache: "no-store", signal: controller.signal });
    heardAt = timers.now();
    const refused = await refusal(response, timers.now);
    if (refused) return given ?? refused;
    const reader = response.body?.getReader?.();
    if (!reader) return end("unstreamable", "silence");
    // A fetch of somebody's own may not heed the signal.
    controller.signal.addEventListener("abort", () => reader.cancel().catch(() => {}));
    const spoken = timers.after(FIRST_BYTE_MS, controller.signal, () =>
      giveUp(end("unstreamable", "silence")),
    );
    const parser = new SseParser();
    let first = true;
    for (;;) {
      const { done, value } = await reader.read();
      if (controller.signal.aborted) return given ?? end("lost", "closed");
      if (done) return end("lost", "closed");
      if (value.length === 0) continue;
      heardAt = timers.now();
      if (first) {
        first = false;
        spoken();
        onFirstByte();
      }
      onBlocks(parser.feed(value));
    }
  } catch (error) {
    return given ?? broken(error);
  } finally {
    controller.abort();
    free();
  }
}

/**
 * What a failed request or a broken connection means.
 *
 * @param {unknown} error
 */
export function broken(error) {
  if (error instanceof OasisError && error.status > 0) return refusedWith(error);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof BlockTooLarge) {
    return end("lost", "block_too_large", new OasisError("block_too_large", message));
  }
  const told = error instanceof OasisError ? error : new OasisError("network", message);
  return end("lost", told.code === "bad_answer" ? "not_a_feed" : "network", told);
}

/**
 * What is wrong with an answer; null if it is a feed.
 *
 * @param {Response} response
 * @param {() => number} now
 */
async function refusal(response, now) {
  if (response.status === 204) return end("done", "done");
  if (!response.ok) return refusedWith(await readError(response, now));
  const type = response.headers.get("content-type") ?? "";
  if (response.status === 200 && /^\s*text\/event-stream\s*(;|$)/i.test(type)) return null;
  const hint = "is url the gateway's address?";
  // It may pass: a hotel's network answers everything with a page of its own until one has signed in.
  return end(
    "lost",
    "not_a_feed",
    new OasisError("not_a_feed", "the answer is no feed", hint, response.status),
  );
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
