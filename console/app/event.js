// The type of an event from the feed or from the query API, and functions that read an event.

/**
 * @typedef {object} Known
 * @property {number | null} id
 * @property {number} [receivedAt]
 * @property {boolean} [simulated]
 * @property {string} [recorded_at]
 * @property {string} [channel]
 * @property {Record<string, unknown>} [meta] Only in events from the query API.
 */

/** @typedef {import("../client/types.js").Ticker & Known} AnyEvent */

/** @param {string} vtid */
export const isTask = (vtid) => vtid !== "UNSET" && vtid !== "IDLE" && vtid !== "";

/**
 * Returns a text field of `meta`; empty if the field is missing or is not a text.
 *
 * @param {AnyEvent} event
 * @param {string} name
 */
export function metaText({ meta }, name) {
  const value = meta?.[name];
  return typeof value === "string" ? value : "";
}

/** The name of a run or deployment in `meta`; empty if `meta` has no name. @param {AnyEvent} event */
export const ownName = (event) =>
  metaText(event, "name") || metaText(event, "service") || metaText(event, "environment");

/** @param {AnyEvent} event */
export const agentName = (event) => metaText(event, "agent") || event.module.toLowerCase();
