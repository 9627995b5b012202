// Describes the streams of casts to the shared connections. Each row is an update, and has the state after
// the update, so that a component that mounts later needs only the last row.

import { castProfile, isOver, mergeCast } from "@oasis-devhub/client/casts";

/** @typedef {import("@oasis-devhub/client/casts").CastState} CastState */
/** @typedef {import("@oasis-devhub/client/casts").CastUpdate} CastUpdate */
/** @typedef {import("./cast-types.js").CastEvent} CastEvent */
/** @typedef {Map<string, CastState>} States */

/** The number of updates to keep, for a component that unmounts and mounts again. */
export const KEPT = 100;
/** The number of casts whose states are kept: those that have changed last. */
const MOST_CASTS = 1_000;

const COMMON = { replays: false, rows: /** @type {const} */ ("updates"), cache: null };

/**
 * The stream of a cast.
 *
 * @param {string | null | undefined} castId
 * @returns {import("./access.js").Stream}
 */
export const castStream = (castId) => ({
  ...COMMON,
  name: ["cast", castId],
  profile: () => castProfile(castId ?? ""),
  /** @param {CastUpdate[]} updates @param {CastEvent | undefined} last @returns {CastEvent[]} */
  fold: (updates, last) => {
    let cast = last?.cast ?? null;
    return updates.map((update) => {
      cast = mergeCast(cast, update);
      return { ...update, cast };
    });
  },
});

/**
 * The stream of all casts of the user. A state has only the fields that the stream has reported.
 *
 * @returns {import("./access.js").Stream}
 */
export const ownCasts = () => ({
  ...COMMON,
  name: ["casts"],
  profile: () => castProfile(null),
  /** @param {CastUpdate[]} updates @param {{ states: States } | undefined} last */
  fold: (updates, last) => {
    const states = new Map(last?.states);
    for (const update of updates) {
      const { castId } = update;
      const state = mergeCast(states.get(castId) ?? /** @type {CastState} */ ({}), update);
      // The casts that changed last are at the end.
      states.delete(castId);
      states.set(castId, state);
    }
    for (const id of states.keys()) {
      if (states.size <= MOST_CASTS) break;
      states.delete(id);
    }
    return updates.map((update) => ({ ...update, states }));
  },
});

/**
 * The handlers of a view that calls the handlers of the page.
 *
 * @param {import("./cast-types.js").CastHandlers} handlers
 */
export function toRowHandlers({ onStatus, onProgress, onComplete, onError }) {
  /** @param {CastEvent} update */
  const row = (update) => {
    if (update.event === "status") return onStatus?.(update);
    if (update.event === "progress") return onProgress?.(update);
    // The stream reports an end in the past as `complete`, even if the cast has failed.
    if (update.cast.status !== "failed") return onComplete?.(update);
    onError?.({ ...update, event: "error", errorMessage: update.cast.errorMessage });
  };
  /** @param {readonly CastEvent[]} updates @param {boolean} isNews */
  const rows = (updates, isNews) => {
    const last = updates.at(-1);
    if (isNews || !last) return;
    // A component that shares a connection begins with the state, as a new connection does.
    const { id: castId, updatedAt: timestamp, ...fields } = last.cast;
    const whole = { ...fields, id: last.id, castId, timestamp, cast: last.cast };
    row({ ...whole, event: "status" });
    if (isOver(last.cast)) row({ ...whole, event: "complete" });
  };
  return { row, rows };
}
