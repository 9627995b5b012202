"use client";
// The public interface of the package.

/** @typedef {import("./types.js").SSEOptions} SSEOptions */
/** @typedef {import("./types.js").SSEResult} SSEResult */
/** @typedef {import("./types.js").SSEProviderProps} SSEProviderProps */
/** @typedef {import("./types.js").EventToastProps} EventToastProps */
/** @typedef {import("./types.js").RoomLogsOptions} RoomLogsOptions */
/** @typedef {import("./types.js").RoomLogsResult} RoomLogsResult */
/** @typedef {import("./types.js").SSEEvent} SSEEvent */
/** @typedef {import("./types.js").SSEConnectionState} SSEConnectionState */
/** @typedef {import("./types.js").EventsState} EventsState */
/** @typedef {import("./types.js").EventCache} EventCache */
/** @typedef {import("./types.js").Description} Description */
/** @typedef {import("./types.js").Variant} Variant */
/** @typedef {import("./types.js").TokenFunction} TokenFunction */
/** @typedef {import("./types.js").ResourceEvent} ResourceEvent */
/** @typedef {import("./types.js").ResourceFilters} ResourceFilters */
/** @typedef {import("./types.js").RoomLine} RoomLine */

export { createEventCache } from "./cache.js";
export { describeEvent } from "./describe.js";
export { EventToast } from "./event-toast.js";
export { useEventsStore } from "./events-store.js";
export { SSEProvider } from "./provider.js";
export { isSSESupported } from "./support.js";
export { useRoomLogs } from "./use-room-logs.js";
export { useSSE } from "./use-sse.js";
