// Defines `useSSE`: the resource events of a filter.

import { resourceProfile } from "@oasis-devhub/client";
import { useAccess } from "./access.js";
import { sharedCache } from "./cache.js";
import { normalised } from "./filters.js";
import { useStream } from "./use-stream.js";

/**
 * Follows the resource events that match the filters. Components with equal filters share one connection, so
 * the filters can be written inline.
 *
 * @type {(options?: import("./types.js").SSEOptions) => import("./types.js").SSEResult}
 */
export const useSSE = useResources;

/**
 * @param {import("./types.js").SSEOptions} [options]
 * @param {(rows: readonly any[], isLive: boolean) => void} [onRows]
 * @returns {import("./types.js").SSEResult}
 */
export function useResources(options = {}, onRows) {
  const { enabled = true, since, persist = false, maxEvents = 100, onEvent } = options;
  const { sourceOf, ask, error } = useAccess(options, enabled);
  const cache = persist === true ? sharedCache() : persist || null;
  const filters = normalised(options);
  const source = sourceOf({
    name: ["events", filters, since, cache?.name, cache?.user],
    replays: since !== undefined,
    rows: "events",
    cache,
    profile: () => resourceProfile(/** @type {import("./types.js").ResourceFilters} */ (filters), { since }),
  });
  const handlers = { token: ask, row: onEvent, rows: onRows };
  const { rows, last, ...rest } = useStream(source, maxEvents, handlers, error);
  return { events: rows, lastEvent: last, ...rest };
}
