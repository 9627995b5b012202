// The types of the hooks for casts. This file contains only types.

/** @typedef {import("@oasis-devhub/client/casts").Cast} Cast */
/** @typedef {import("@oasis-devhub/client/casts").CastState} CastState */
/** @typedef {import("@oasis-devhub/client/casts").CastStatus} CastStatus */
/** @typedef {import("@oasis-devhub/client/casts").CastUpdate} CastUpdate */
/** @typedef {import("@oasis-devhub/client/casts").Progress} Progress */
/** @typedef {import("./types.js").OasisError} OasisError */

/**
 * An event of a cast, and the state after it.
 *
 * @typedef {CastUpdate & { cast: CastState }} CastEvent
 */

/**
 * Handlers for a cast. A handler is called once for each event. The first call of `onStatus` has all fields.
 *
 * @typedef {object} CastHandlers
 * @property {(event: CastEvent) => void} [onStatus]
 * @property {(event: CastEvent) => void} [onProgress]
 * @property {(event: CastEvent) => void} [onComplete] The cast has succeeded.
 * @property {(event: CastEvent) => void} [onError] The cast has failed. Failed connections are no events.
 * @property {(isConnected: boolean) => void} [onConnectionChange]
 */

/** @typedef {import("./types.js").AccessOptions & import("./types.js").RetryOptions} ConnectOptions */
/** @typedef {ConnectOptions & { enabled?: boolean }} CastOptions */
/** @typedef {CastOptions & { castId: string | null | undefined }} CastEventsOptions */

/**
 * @typedef {object} CastConnection
 * @property {boolean} isConnected
 * @property {number} reconnectCount The number of attempts that have failed since the last connection.
 * @property {OasisError | null} error What is wrong with the connection; null while all is well.
 * @property {() => void} reconnect Connects again at once, and resumes after the last event.
 */

/**
 * @typedef {object} OwnCastEventsResult
 * @property {CastState | null} cast The state of the cast; null until it is known.
 * @property {CastEvent | null} lastEvent
 * @property {string | null} lastUpdate The time of the last event (RFC 3339).
 * @property {boolean} isOver Whether the cast has ended. Then no connection follows.
 */

/** @typedef {OwnCastEventsResult & CastConnection} CastEventsResult */

/**
 * @typedef {object} OwnCastStatusResult
 * @property {CastStatus | null} status Null until it is known.
 * @property {CastState | null} cast
 * @property {boolean} isOver
 */

/** @typedef {OwnCastStatusResult & CastConnection} CastStatusResult */

/** @typedef {{ enabled?: boolean, interval?: number }} OwnPollingOptions */
/** @typedef {import("./types.js").AccessOptions & OwnPollingOptions} CastPollingOptions */

/**
 * @typedef {object} CastPollingResult
 * @property {Cast | null} cast
 * @property {OasisError | null} error Why the last poll failed.
 * @property {boolean} isLoading True until the first answer.
 */

/** @typedef {CastOptions & { limit?: number }} CastsOptions */

/** @typedef {Cast & Progress} ListedCast */

/**
 * @typedef {object} OwnCastsResult
 * @property {readonly ListedCast[]} casts The newest casts of the user, newest first.
 * @property {number | null} total The number of casts that the user has; null until it is known.
 * @property {boolean} isLoading True until the list is known.
 */

/** @typedef {OwnCastsResult & CastConnection} CastsResult */

export {};
