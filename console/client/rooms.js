// The profile of a room: its log lines, live. The frames are named events.

import { end } from "./connection.js";
import { OasisError } from "./errors.js";
import { queryLines, roomPath, toLine } from "./roomquery.js";
import { parseObject, toId } from "./wire.js";

/** @typedef {import("./types.js").RoomEventMap} RoomEventMap */
/** @typedef {import("./types.js").RoomLine} RoomLine */
/** @typedef {import("./types.js").Host<RoomEventMap>} RoomHost */
/** @typedef {import("./connection.js").End} End */

/** The gateway sends a heartbeat every 30 s. */
const SILENCE_MS = 75_000;
/** The number of earlier lines with which a stream begins. */
const TAIL = 100;
/** The largest page that the gateway returns. */
const PAGE = 1_000;
/** A poll that reads this many pages skips to the newest lines and reports a gap. */
const MOST_PAGES = 10;

/**
 * @param {string} room The id of the room.
 * @param {{ tail?: number, since?: string }} [options] A new stream begins with the last `tail` lines (0 to
 *   1000; by default 100), or with the lines since a time (RFC 3339).
 * @returns {import("./types.js").Profile<RoomEventMap>}
 * @throws {TypeError} If the id has a character that ids cannot have.
 */
export function roomProfile(room, { tail = TAIL, since } = {}) {
  const path = `${roomPath(room)}/logs`;
  return (host) => {
    const frames = new RoomFrames(host);
    return {
      path,
      // A stream that resumes gets the lines after its cursor, so the parameters would have no effect.
      parameters: (cursor) => (cursor !== null ? {} : since ? { since } : { tail }),
      frames,
      silence: SILENCE_MS,
      mayAppear: false,
      pollHeartbeat: { timestamp: null },
      polls: () => ({ next: (options) => poll(room, tail, frames, options) }),
    };
  };
}

/** Reads the frames of a room. */
class RoomFrames {
  /**
   * @type {number | null} The id of the last frame that had one, like the last event id of an `EventSource`.
   */
  cursor;
  /** The id of the last line that was delivered. */
  #last = -1;
  #host;
  /** @type {RoomLine[]} */
  #batch = [];

  /** @param {RoomHost} host */
  constructor(host) {
    this.#host = host;
    this.cursor = host.cursor;
    this.#last = host.cursor ?? -1;
  }

  /** @param {import("./sse.js").Block[]} blocks @param {AbortSignal} signal */
  takeBlocks(blocks, signal) {
    let fresh = 0;
    /** @type {End | null} */
    let ended = null;
    for (const block of blocks) {
      const id = toId(block.id);
      const value = parseObject(block.data);
      if (value && block.event === "log") fresh += this.#take(id, value);
      else if (value && block.event !== "") {
        this.#flush();
        if (!signal.aborted) ended = this.#frame(block.event, value);
      }
      // A line that was not delivered must arrive again, so the cursor stays before the line.
      if (signal.aborted) return { fresh, ended: null };
      if (id !== null) this.cursor = id;
      if (ended) return { fresh, ended };
    }
    this.#flush();
    return { fresh, ended };
  }

  /**
   * Delivers what a poll found.
   *
   * @param {{ lines: RoomLine[], upTo: number, gap: import("./types.js").GapDetail | null }} found
   * @param {AbortSignal} signal
   */
  takePoll({ lines, upTo, gap }, signal) {
    if (gap) this.#host.emit("gap", gap);
    if (signal.aborted) return;
    for (const line of lines) this.#add(line);
    this.cursor = upTo;
    this.#flush();
  }

  /** @param {number | null} id @param {Record<string, unknown>} value */
  #take(id, value) {
    return id === null ? 0 : this.#add(toLine(id, value));
  }

  /** @param {RoomLine} line */
  #add(line) {
    if (line.id <= this.#last) return 0;
    this.#last = line.id;
    this.#batch.push(line);
    return 1;
  }

  /**
   * @param {string} name
   * @param {Record<string, unknown>} value
   * @returns {End | null} Not null if the frame ends the stream.
   */
  #frame(name, value) {
    const text = (/** @type {unknown} */ field) => (typeof field === "string" ? field : null);
    const timestamp = text(value.timestamp);
    switch (name) {
      case "connected":
        this.#host.mode("live", true);
        this.#host.emit("connected", { roomId: text(value.roomId) ?? "", timestamp: timestamp ?? "" });
        return null;
      case "heartbeat":
        this.#host.emit("heartbeat", { timestamp });
        return null;
      case "gap": {
        const reset = value.reason === "reset";
        // After a reset, the last lines follow. Their ids may be lower than the ids before.
        if (reset) this.#last = -1;
        if (reset) this.cursor = null;
        const { from, to } = value;
        this.#host.emit("gap", { from: toId(from), to: toId(to), reason: reset ? "reset" : "pruned" });
        return null;
      }
      case "close": {
        const detail = { reason: text(value.reason) ?? "", message: text(value.message) ?? "" };
        this.#host.emit("close", detail);
        return endAfter(detail);
      }
      // Ignore other frames, which a newer server may send.
      default:
        return null;
    }
  }

  #flush() {
    const lines = this.#batch;
    if (lines.length === 0) return;
    this.#batch = [];
    this.#host.emit("lines", { lines });
  }
}

/** @param {{ reason: string, message: string }} close @returns {End} */
function endAfter({ reason, message }) {
  switch (reason) {
    case "closed":
    case "terminal_state":
      return end("done", "done");
    case "token_expired":
    case "revoked":
      return end("refused", reason, new OasisError(reason, message));
    case "refused":
      return end("refused", "forbidden", new OasisError("forbidden", message));
    case "shutdown":
    case "timeout":
      return end("lost", reason);
    default:
      return end("lost", "closed");
  }
}

/**
 * Reads the lines after the cursor, or the last lines if there is no cursor. A poll does not notice that the
 * room was closed.
 *
 * @param {string} room
 * @param {number} tail
 * @param {RoomFrames} frames
 * @param {import("./types.js").PollOptions} options
 * @returns {Promise<import("./types.js").Polled>}
 */
async function poll(room, tail, frames, options) {
  const from = frames.cursor;
  /** @type {RoomLine[]} */
  const lines = [];
  /** @type {import("./types.js").GapDetail | null} */
  let gap = null;
  let upTo = from ?? 0;
  if (from === null) {
    const page = await queryLines(room, { ...options, limit: Math.max(tail, 1) });
    if (tail > 0) lines.push(...page.lines);
    upTo = page.lines.at(-1)?.id ?? 0;
  } else {
    for (let pages = 1, more = true; more; pages++) {
      const page = await queryLines(room, { ...options, after: upTo, limit: PAGE });
      lines.push(...page.lines);
      const next = Math.max(upTo, page.cursor ?? 0, page.lines.at(-1)?.id ?? 0);
      more = page.more && next > upTo;
      upTo = next;
      if (!more || pages < MOST_PAGES) continue;
      // The client is far behind, so continue with the newest lines.
      const newest = await queryLines(room, { ...options, limit: PAGE });
      const first = newest.lines.find((line) => line.id > upTo);
      if (first) gap = { from: upTo, to: first.id - 1, reason: "skipped" };
      lines.push(...newest.lines.filter((line) => line.id > upTo));
      upTo = lines.at(-1)?.id ?? upTo;
      break;
    }
  }
  return { deliver: (_replay, signal) => frames.takePoll({ lines, upTo, gap }, signal) };
}
