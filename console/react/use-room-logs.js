// Defines `useRoomLogs`: the lines of a room.

import { roomProfile } from "@oasis-devhub/client";
import { useAccess } from "./access.js";
import { useStream } from "./use-stream.js";

/**
 * Follows the lines of a room.
 *
 * @param {string | null | undefined} roomId Null means that there is no connection.
 * @param {import("./types.js").RoomLogsOptions} [options]
 * @returns {import("./types.js").RoomLogsResult}
 */
export function useRoomLogs(roomId, options = {}) {
  const { enabled = true, tail = 100, maxLines = Math.max(100, tail) } = options;
  const { sourceOf, ask, error } = useAccess(options, enabled && Boolean(roomId));
  const source = sourceOf({
    name: ["lines", roomId, tail],
    replays: true,
    rows: "lines",
    cache: null,
    profile: () => roomProfile(roomId ?? "", { tail }),
  });
  const { rows, last: _, ...rest } = useStream(source, maxLines, { token: ask }, error);
  return { lines: rows, closed: rest.reason === "done", ...rest };
}
