// Defines `useCastPolling`: a cast, read again and again.

import { isOver, queryCast } from "@oasis-devhub/client/casts";
import { useAccess } from "./access.js";
import { castStream } from "./cast-stream.js";
import { useReading } from "./use-reading.js";

/**
 * Polls a cast until it ends, for pages that cannot use streams.
 *
 * @param {string | null | undefined} castId Null means that there is no request.
 * @param {import("./cast-types.js").CastPollingOptions} [options]
 * @returns {import("./cast-types.js").CastPollingResult}
 */
export function useCastPolling(castId, { interval = 5_000, enabled = true, ...options } = {}) {
  const { sourceOf, ask, error: missing } = useAccess(options, enabled && Boolean(castId));
  const { value, error, isLoading } = useReading({
    source: sourceOf(castStream(castId)),
    ask,
    interval,
    read: (query) => queryCast(castId ?? "", query),
    isLast: isOver,
  });
  return { cast: value, error: error ?? missing, isLoading };
}
