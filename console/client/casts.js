// The profile of a cast, or of all casts of the user: the status, the progress and the end, live.

import { castPath, isOver, queryCast, queryCasts } from "./castquery.js";
import { end } from "./connection.js";
import { endAfter, text } from "./named.js";
import { parseObject, toId, webLink } from "./wire.js";

export { isOver, queryCast, queryCasts };

/** @typedef {import("./castquery.js").Cast} Cast */
/** @typedef {import("./castquery.js").CastFields} CastFields */
/** @typedef {import("./castquery.js").CastStatus} CastStatus */
/** @typedef {import("./castquery.js").CastQueryOptions} CastQueryOptions */
/** @typedef {import("./castquery.js").CastsQueryOptions} CastsQueryOptions */
/** @typedef {import("./castquery.js").Pagination} Pagination */
/** @typedef {import("./connection.js").End} End */

/** @typedef {"status" | "progress" | "complete" | "error"} CastEventName */

/**
 * @typedef {object} Progress
 * @property {number | null} progress From 0 to 100.
 * @property {string | null} message
 */

/**
 * @typedef {object} UpdateFields
 * @property {CastEventName} event
 * @property {number | null} id Only the last update of a change has an id.
 * @property {string} castId
 * @property {string} timestamp
 */

/**
 * What an event reports. A first `status` has all fields of the cast. Later events have only the fields that
 * have changed.
 *
 * @typedef {UpdateFields & Partial<CastFields & Progress>} CastUpdate
 */

/**
 * The state of a cast, as its stream reports it.
 *
 * @typedef {CastFields & Progress & { id: string, updatedAt: string }} CastState
 */

/**
 * - `pruned`, `reset`: as for the feed
 * - `too_many`: more casts have changed than a connection begins with; use `queryCasts` to read the others
 *
 * @typedef {object} CastGapDetail
 * @property {number | null} from
 * @property {number | null} to
 * @property {"pruned" | "reset" | "too_many"} reason
 */

/**
 * - `updates`: the updates of one network chunk or poll, oldest first
 * - `gap`, `close`: the frames of the stream
 *
 * @typedef {object} CastEventMap
 * @property {CustomEvent<{ updates: CastUpdate[] }>} updates
 * @property {CustomEvent<import("./types.js").StateDetail>} state
 * @property {CustomEvent<CastGapDetail>} gap
 * @property {CustomEvent<{ reason: string, message: string }>} close
 */

/** The gateway sends a comment every 30 s. */
const SILENCE_MS = 75_000;
const POLL_MS = 5_000;
/** The largest page that the gateway returns. */
const PAGE = 100;
const EVENTS = ["status", "progress", "complete", "error"];

/** @satisfies {CastFields} */
const UNKNOWN = {
  status: /** @type {CastStatus} */ ("queued"),
  startedAt: null,
  finishedAt: null,
  duration: null,
  costCents: null,
  artifactUrl: null,
  errorMessage: null,
};
const NO_PROGRESS = { progress: null, message: null };

/**
 * @param {string | null} id The id of the cast; null for all casts of the user.
 * @param {{ events?: readonly CastEventName[] }} [options] Only these events; by default all.
 * @returns {import("./types.js").Profile<CastEventMap>}
 * @throws {TypeError} If the id is not the id of a cast.
 */
export function castProfile(id, { events = [] } = {}) {
  const path = `${castPath(id)}/events`;
  return (host) => {
    const frames = new CastFrames(host, events);
    return {
      path,
      parameters: () => ({ events }),
      frames,
      silence: SILENCE_MS,
      mayAppear: false,
      pollHeartbeat: null,
      pollInterval: POLL_MS,
      polls: () => ({
        next: async (options) => {
          if (id !== null) {
            const cast = await queryCast(id, options);
            return { deliver: () => frames.takePoll([cast], true) };
          }
          const { casts } = await queryCasts({ ...options, limit: PAGE });
          return { deliver: () => frames.takePoll(casts, false) };
        },
      }),
    };
  };
}

/**
 * Applies an update to the state of a cast.
 *
 * @template {CastState} [C=CastState]
 * @param {C | null} cast Null before the first update.
 * @param {CastUpdate} update
 * @returns {C}
 */
export function mergeCast(cast, { event: _event, id: _id, castId, timestamp, ...changed }) {
  const before = cast ?? { ...UNKNOWN, ...NO_PROGRESS };
  const { status = before.status, startedAt = before.startedAt } = changed;
  // The progress of an attempt is no progress of the next attempt. Within an attempt, progress can arrive
  // before the start.
  const hasNewStart = Boolean(before.startedAt) && startedAt !== before.startedAt;
  const isNew = hasNewStart || (isOver(before) && !isOver({ status }));
  const after = { ...before, ...(isNew && NO_PROGRESS), ...changed, id: castId, updatedAt: timestamp };
  return /** @type {C} */ (after);
}

/** Reads the frames. Of the frames of a change, only the last one has an id. */
class CastFrames {
  /** @type {number | null} */
  cursor;
  #host;
  #wanted;
  /** The casts that had not ended when they were last seen. @type {Set<string>} */
  #running = new Set();
  /** When each cast of the last poll had changed. @type {Map<string, string>} */
  #polled = new Map();

  /**
   * @param {import("./types.js").Host<CastEventMap>} host
   * @param {readonly CastEventName[]} wanted An empty list means all events.
   */
  constructor(host, wanted) {
    this.#host = host;
    this.#wanted = wanted;
    this.cursor = host.cursor;
  }

  /** @param {import("./sse.js").Block[]} blocks @param {AbortSignal} signal */
  takeBlocks(blocks, signal) {
    let fresh = 0;
    /** @type {End | null} */
    let ended = null;
    /** @type {CastUpdate[]} */
    let updates = [];
    const flush = () => {
      const ready = updates;
      updates = [];
      this.#deliver(ready);
    };
    for (const block of blocks) {
      const { event } = block;
      const id = toId(block.id);
      const value = parseObject(block.data);
      const isUpdate = value !== null && EVENTS.includes(event);
      // A stream has no frame `connected`: any frame with content shows that it works.
      if (isUpdate || id !== null) this.#host.mode("live", true);
      if (isUpdate && !signal.aborted) {
        updates.push(toUpdate(/** @type {CastEventName} */ (event), id, value));
      } else if (value && (event === "gap" || event === "close")) {
        flush();
        if (!signal.aborted) ended = event === "gap" ? this.#gap(value) : this.#close(value);
      }
      // An update that was not delivered must arrive again, so the cursor stays before the update.
      if (signal.aborted) return { fresh, ended: null };
      if (id !== null) {
        if (id > (this.cursor ?? -1)) fresh += 1;
        this.cursor = id;
      }
      if (ended) return { fresh, ended };
    }
    flush();
    return { fresh, ended };
  }

  /**
   * Delivers the casts that have changed since the last poll.
   *
   * @param {Cast[]} casts
   * @param {boolean} endsWithCast Whether the stream ends when the cast has ended.
   */
  takePoll(casts, endsWithCast) {
    const before = this.#polled;
    this.#polled = new Map(casts.map(({ id, updatedAt }) => [id, updatedAt]));
    const changed = casts.filter(({ id, updatedAt }) => before.get(id) !== updatedAt);
    const updates = changed.flatMap((cast) => {
      const isEnd = isOver(cast) && (endsWithCast || this.#running.has(cast.id));
      /** @type {CastEventName[]} */
      const names = isEnd ? ["status", "complete"] : ["status"];
      return names.map((name) => ofCast(cast, name));
    });
    const { length } = this.#wanted;
    this.#deliver(updates.filter(({ event }) => length === 0 || this.#wanted.includes(event)));
    return endsWithCast && casts.every(isOver) ? end("done", "done") : null;
  }

  /** @param {Record<string, unknown>} value */
  #gap({ from, to, reason }) {
    const known = reason === "reset" || reason === "too_many" ? reason : "pruned";
    // After a reset, ids may be lower than the ids before.
    if (known === "reset") this.cursor = null;
    this.#host.emit("gap", { from: toId(from), to: toId(to), reason: known });
    return null;
  }

  /** @param {Record<string, unknown>} value */
  #close({ reason, message }) {
    const detail = { reason: text(reason), message: text(message) };
    this.#host.emit("close", detail);
    return endAfter(detail);
  }

  /** @param {CastUpdate[]} updates */
  #deliver(updates) {
    for (const { castId, status } of updates) {
      if (isOver({ status })) this.#running.delete(castId);
      else if (status) this.#running.add(castId);
    }
    if (updates.length > 0) this.#host.emit("updates", { updates });
  }
}

/**
 * @param {CastEventName} event
 * @param {number | null} id
 * @param {Record<string, unknown>} value
 */
function toUpdate(event, id, value) {
  const update = { ...value, event, id, castId: text(value.castId), timestamp: text(value.timestamp) };
  if ("artifactUrl" in value) Object.assign(update, { artifactUrl: webLink(value.artifactUrl) });
  return /** @type {CastUpdate} */ (update);
}

/** The update that reports a whole cast. @param {Cast} cast @param {CastEventName} event */
function ofCast(cast, event) {
  const fields = Object.keys(UNKNOWN).map((name) => [name, cast[/** @type {keyof CastFields} */ (name)]]);
  const value = { ...Object.fromEntries(fields), castId: cast.id, timestamp: cast.updatedAt };
  return toUpdate(event, null, value);
}
