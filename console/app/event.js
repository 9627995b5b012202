// The type of an event from the feed or from the query API, and helpers that read it. Pure.

/**
 * @typedef {object} Known
 * @property {number | null} id
 * @property {number} [receivedAt]
 * @property {boolean} [simulated]
 * @property {string} [recorded_at]
 * @property {string} [channel]
 * @property {Record<string, unknown>} [meta] Only from the query API; the feed does not carry it.
 */

/** @typedef {import("../client/types.js").Ticker & Known} AnyEvent */

/** @param {string} vtid */
export const isTask = (vtid) => vtid !== "UNSET" && vtid !== "IDLE" && vtid !== "";

/**
 * A text in `meta`; empty if it is missing.
 *
 * @param {AnyEvent} event
 * @param {string} name
 */
export function metaText({ meta }, name) {
  const value = meta?.[name];
  return typeof value === "string" ? value : "";
}

/** The name of a run or deployment, from `meta`; empty if that is missing. @param {AnyEvent} event */
export const ownName = (event) =>
  metaText(event, "name") || metaText(event, "service") || metaText(event, "environment");

/** @param {AnyEvent} event */
export const agentName = (event) => metaText(event, "agent") || event.module.toLowerCase();
