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

export { Backoff } from "./backoff.js";
export { OasisError } from "./errors.js";
export { OasisFeed } from "./feed.js";
export { listAgents, queryEvents } from "./query.js";
export { BlockTooLarge, SseParser } from "./sse.js";
