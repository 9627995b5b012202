"use client";
// The hooks for casts: the entry `@oasis-devhub/react/casts`.

/** @typedef {import("./cast-types.js").Cast} Cast */
/** @typedef {import("./cast-types.js").CastState} CastState */
/** @typedef {import("./cast-types.js").CastStatus} CastStatus */
/** @typedef {import("./cast-types.js").CastUpdate} CastUpdate */
/** @typedef {import("./cast-types.js").CastEvent} CastEvent */
/** @typedef {import("./cast-types.js").CastHandlers} CastHandlers */
/** @typedef {import("./cast-types.js").CastOptions} CastOptions */
/** @typedef {import("./cast-types.js").CastEventsOptions} CastEventsOptions */
/** @typedef {import("./cast-types.js").CastEventsResult} CastEventsResult */
/** @typedef {import("./cast-types.js").CastStatusResult} CastStatusResult */
/** @typedef {import("./cast-types.js").CastPollingOptions} CastPollingOptions */
/** @typedef {import("./cast-types.js").CastPollingResult} CastPollingResult */
/** @typedef {import("./cast-types.js").CastsOptions} CastsOptions */
/** @typedef {import("./cast-types.js").CastsResult} CastsResult */
/** @typedef {import("./cast-types.js").ListedCast} ListedCast */

export { isSSESupported } from "./support.js";
export { useCastEvents, useCastStatus } from "./use-cast-events.js";
export { useCastPolling } from "./use-cast-polling.js";
export { useCasts } from "./use-casts.js";
