// Defines `useCastEvents` and `useCastStatus`: what happens to one cast.

import { isOver } from "@oasis-devhub/client/casts";
import { useEffect, useInsertionEffect, useRef } from "react";
import { useAccess } from "./access.js";
import { castStream, KEPT, toRowHandlers } from "./cast-stream.js";
import { useStream } from "./use-stream.js";

/**
 * Follows a cast until it ends. Components that follow the same cast share one connection.
 *
 * @param {import("./cast-types.js").CastEventsOptions} options Without a `castId`, there is no connection.
 * @param {import("./cast-types.js").CastHandlers} [handlers]
 * @returns {import("./cast-types.js").CastEventsResult}
 */
export function useCastEvents({ castId, enabled = true, ...options }, handlers = {}) {
  const { sourceOf, ask, error: missing } = useAccess(options, enabled && Boolean(castId));
  const source = sourceOf(castStream(castId));
  const { rows, connected, error, retryCount, reconnect } = useStream(
    source,
    KEPT,
    { token: ask, ...toRowHandlers(handlers) },
    missing,
  );
  const changed = useRef(handlers.onConnectionChange);
  useInsertionEffect(() => {
    changed.current = handlers.onConnectionChange;
  });
  useEffect(() => {
    if (!connected) return;
    changed.current?.(true);
    return () => changed.current?.(false);
  }, [connected]);
  /** @type {import("./cast-types.js").CastEvent | null} */
  const lastEvent = rows.at(-1) ?? null;
  const cast = lastEvent?.cast ?? null;
  return {
    cast,
    lastEvent,
    lastUpdate: lastEvent?.timestamp ?? null,
    isOver: cast !== null && isOver(cast),
    isConnected: connected,
    reconnectCount: retryCount,
    error,
    reconnect,
  };
}

/**
 * Follows the status of a cast.
 *
 * @param {string | null | undefined} castId
 * @param {import("./cast-types.js").CastOptions} [options]
 * @returns {import("./cast-types.js").CastStatusResult}
 */
export function useCastStatus(castId, options = {}) {
  const { lastEvent: _, lastUpdate: __, ...result } = useCastEvents({ ...options, castId });
  return { status: result.cast?.status ?? null, ...result };
}
