// The profile of a room: its log lines, live. The frames are named events.

import { NamedFrames, text } from "./named.js";
import { queryLines, roomPath, toLine } from "./roomquery.js";

/** @typedef {import("./types.js").RoomEventMap} RoomEventMap */
/** @typedef {import("./types.js").RoomLine} RoomLine */
/** @typedef {NamedFrames<RoomLine>} RoomFrames */

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
    const frames = new NamedFrames(host, {
      toRow: (id, value, name) => (name === "log" ? toLine(id, value) : null),
      deliver: (lines) => host.emit("lines", { lines }),
      connected: ({ roomId, timestamp }) =>
        host.emit("connected", { roomId: text(roomId), timestamp: text(timestamp) }),
      heartbeat: ({ timestamp }) => host.emit("heartbeat", { timestamp: text(timestamp) || null }),
    });
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
  return { deliver: (_replay, signal) => frames.takePoll({ rows: lines, upTo, gap }, signal) };
}
