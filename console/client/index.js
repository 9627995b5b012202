// The public interface of the client.

/** @typedef {import("./types.js").OasisEvent} OasisEvent */
/** @typedef {import("./types.js").StoredEvent} StoredEvent */
/** @typedef {import("./types.js").Agent} Agent */
/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Filters} Filters */
/** @typedef {import("./types.js").FeedOptions} FeedOptions */
/** @typedef {import("./types.js").FeedState} FeedState */
/** @typedef {import("./types.js").FeedEventMap} FeedEventMap */
/** @typedef {import("./types.js").EventsDetail} EventsDetail */
/** @typedef {import("./types.js").StateDetail} StateDetail */
/** @typedef {import("./types.js").GapDetail} GapDetail */
/** @typedef {import("./types.js").Reason} Reason */
/** @typedef {import("./types.js").StreamOptions} StreamOptions */
/** @typedef {import("./types.js").Token} Token */
/** @typedef {import("./types.js").Room} Room */
/** @typedef {import("./types.js").RoomLine} RoomLine */
/** @typedef {import("./types.js").RoomEventMap} RoomEventMap */
/** @typedef {import("./types.js").LogLevel} LogLevel */
/** @typedef {import("./types.js").ResourceEvent} ResourceEvent */
/** @typedef {import("./types.js").ResourceEventType} ResourceEventType */
/** @typedef {import("./types.js").ResourceType} ResourceType */
/** @typedef {import("./types.js").ResourceFilters} ResourceFilters */
/** @typedef {import("./types.js").ResourceEventMap} ResourceEventMap */
/** @typedef {import("./types.js").StreamEventMap} StreamEventMap */
/**
 * @template {import("./types.js").StreamEventMap} M
 * @typedef {import("./types.js").Profile<M>} Profile
 */

export { Backoff } from "./backoff.js";
export { OasisError } from "./errors.js";
export { OasisFeed } from "./feed.js";
export { listAgents, queryEvents } from "./query.js";
export { resourceProfile } from "./resources.js";
export { getRoom, listRooms, queryLines } from "./roomquery.js";
export { roomProfile } from "./rooms.js";
export { BlockTooLarge, SseParser } from "./sse.js";
export { OasisStream } from "./stream.js";
