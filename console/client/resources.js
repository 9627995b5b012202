// The profile of resource events: what happens to clusters, projects, workloads, add-ons and builds.

import { NamedFrames, text } from "./named.js";

/** @typedef {import("./types.js").ResourceEvent} ResourceEvent */
/** @typedef {import("./types.js").ResourceEventMap} ResourceEventMap */

const PATH = "/api/v1/events/stream";
/** The gateway sends a heartbeat every 15 s. */
const SILENCE_MS = 40_000;

/**
 * @param {import("./types.js").ResourceFilters} [filters]
 * @param {{ since?: string }} [options] A new stream begins with the events since a time (RFC 3339). Without
 *   `since`, it has only the events that happen from now on.
 * @returns {import("./types.js").Profile<ResourceEventMap>}
 */
export function resourceProfile(filters = {}, { since } = {}) {
  const wanted = { ...filters };
  return (host) => ({
    path: PATH,
    // A stream that resumes gets the events after its cursor, so `since` would have no effect.
    parameters: (cursor) => (cursor === null ? { ...wanted, since } : wanted),
    frames: new NamedFrames(host, {
      toRow: toEvent,
      deliver: (events) => host.emit("events", { events }),
      connected: ({ connection_id, timestamp }) =>
        host.emit("connected", { connection_id: text(connection_id), timestamp: seconds(timestamp) }),
      heartbeat: ({ timestamp }) => host.emit("heartbeat", { timestamp: seconds(timestamp) }),
    }),
    silence: SILENCE_MS,
    mayAppear: false,
    pollHeartbeat: null,
    polls: null,
  });
}

/**
 * @param {number} id
 * @param {Record<string, unknown>} value
 * @param {string} name
 */
const toEvent = (id, value, name) =>
  /** @type {ResourceEvent} */ ({ ...value, id, event_type: name, timestamp: seconds(value.timestamp) });

/** @param {unknown} value */
const seconds = (value) => (typeof value === "number" ? value : 0);
