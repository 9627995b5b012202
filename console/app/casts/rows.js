// Keeps the list of casts: pages of the query API, newest first, and the updates of the stream.

import { mergeCast } from "../../client/casts.js";

/** @typedef {import("../../client/casts.js").Cast} Cast */
/** @typedef {import("../../client/casts.js").CastState} CastState */
/** @typedef {import("../../client/casts.js").CastUpdate} CastUpdate */
/** @typedef {Cast & import("../../client/casts.js").Progress} Row */

const NO_PROGRESS = { progress: null, message: null };

/**
 * Adds what the query API does not report: the progress. If the stream has reported a later state than the
 * query, the later state stays.
 *
 * @param {Cast} cast
 * @param {CastState | null | undefined} state
 * @returns {Row}
 */
export function renew(cast, state) {
  if (!state) return { ...cast, ...NO_PROGRESS };
  const { progress, message } = state.startedAt === cast.startedAt ? state : NO_PROGRESS;
  if (Date.parse(state.updatedAt) <= Date.parse(cast.updatedAt)) return { ...cast, progress, message };
  const { attempt, spell, repository, runId, vtid } = cast;
  return { ...cast, ...state, attempt, spell, repository, runId, vtid };
}

export class CastRows {
  /** @type {readonly Row[]} Newest first. */
  all = [];
  /**
   * The states of casts that the list lacks. The next read may find these casts.
   *
   * @type {Map<string, CastState>}
   */
  #early = new Map();

  /** Replaces the list by what the query API reports. @param {readonly Cast[]} casts */
  take(casts) {
    const known = new Map(this.all.map((row) => [row.id, row]));
    // A cast that began while the pages were read has moved another cast to the next page, so that two pages
    // have this cast.
    const found = new Map(casts.map((cast) => [cast.id, cast]));
    this.all = [...found.values()].map((cast) => renew(cast, known.get(cast.id) ?? this.#early.get(cast.id)));
    this.#early.clear();
  }

  /**
   * Applies updates of the stream.
   *
   * @param {readonly CastUpdate[]} updates Oldest first.
   * @returns {boolean} Whether a cast or an attempt began. The stream does not report all fields of a cast,
   *   so the list must then be read again.
   */
  update(updates) {
    const known = new Map(this.all.map((row) => [row.id, row]));
    let hasBegun = false;
    for (const update of updates) {
      const { castId, event, startedAt } = update;
      const row = known.get(castId);
      const before = row ?? this.#early.get(castId) ?? null;
      if (event === "status" && startedAt !== undefined && startedAt !== before?.startedAt) hasBegun = true;
      if (row) known.set(castId, mergeCast(row, update));
      else this.#early.set(castId, mergeCast(before, update));
    }
    this.all = [...known.values()];
    return hasBegun;
  }
}
