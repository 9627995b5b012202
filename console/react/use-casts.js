// Defines `useCasts`: the newest casts of the user, live.

import { queryCasts } from "@oasis-devhub/client/casts";
import { useInsertionEffect, useMemo, useReducer, useRef } from "react";
import { useAccess } from "./access.js";
import { ownCasts } from "./cast-stream.js";
import { useReading } from "./use-reading.js";
import { useStream } from "./use-stream.js";

/** @typedef {import("./cast-types.js").Cast} Cast */
/** @typedef {import("./cast-types.js").CastEvent} CastEvent */

/** The wait after a read that failed. */
const AGAIN_MS = 5_000;
/** @type {readonly Cast[]} */
const NONE = [];

/**
 * Follows the newest casts of the user. The stream does not report all fields of a cast, so the list is read
 * when a connection begins, and again when a cast or an attempt begins.
 *
 * @param {import("./cast-types.js").CastsOptions} [options] `limit` is the length of the list, at most 100.
 * @returns {import("./cast-types.js").CastsResult}
 */
export function useCasts({ enabled = true, limit = 20, ...options } = {}) {
  const { sourceOf, ask, error: missing } = useAccess(options, enabled);
  const [reads, readAgain] = useReducer((count) => count + 1, 0);
  const known = useRef(NONE);
  /** @param {readonly CastEvent[]} updates */
  const take = (updates) => {
    if (updates.some((update) => isNews(known.current, update))) readAgain();
  };
  const source = sourceOf(ownCasts());
  const { rows, connected, gap, error, retryCount, reconnect } = useStream(
    source,
    1,
    { token: ask, rows: take },
    missing,
  );
  const version = useMemo(() => ({ limit, reads, gap }), [limit, reads, gap]);
  const list = useReading({
    // A list from before the connection could lack an end that the stream does not report.
    isPaused: !connected,
    source,
    ask,
    version,
    interval: AGAIN_MS,
    read: (query) => queryCasts({ ...query, limit }),
    isLast: () => true,
  });
  const casts = list.value?.casts ?? NONE;
  useInsertionEffect(() => {
    known.current = casts;
  });
  const states = rows.at(-1)?.states;
  return {
    casts: useMemo(
      () => casts.map((cast) => ({ progress: null, message: null, ...cast, ...states?.get(cast.id) })),
      [casts, states],
    ),
    total: list.value?.pagination.total ?? null,
    isLoading: source !== null && list.value === null && !(error ?? list.error),
    isConnected: connected,
    reconnectCount: retryCount,
    error: error ?? list.error,
    reconnect,
  };
}

/** Whether the list lacks this cast or attempt. @param {readonly Cast[]} casts @param {CastEvent} update */
const isNews = (casts, { event, castId, startedAt }) =>
  event === "status" &&
  startedAt !== undefined &&
  casts.find(({ id }) => id === castId)?.startedAt !== startedAt;
