// An event as the page has it, from the feed or from the query API. Pure.

/**
 * @typedef {object} Known
 * @property {number | null} id
 * @property {number} [receivedAt]
 * @property {boolean} [simulated]
 * @property {string} [recorded_at]
 * @property {string} [channel]
 * @property {Record<string, unknown>} [meta] The feed carries none.
 */

/** @typedef {import("../client/types.js").Ticker & Known} AnyEvent */

/** @param {string} vtid */
export const isTask = (vtid) => vtid !== "UNSET" && vtid !== "IDLE" && vtid !== "";

/**
 * A text of the meta; empty where there is none.
 *
 * @param {AnyEvent} event
 * @param {string} name
 */
export function metaText({ meta }, name) {
  const value = meta?.[name];
  return typeof value === "string" ? value : "";
}

/** What a run or a deployment calls itself, as far as its meta is here. @param {AnyEvent} event */
export const ownName = (event) =>
  metaText(event, "name") || metaText(event, "service") || metaText(event, "environment");

/** @param {AnyEvent} event */
export const agentName = (event) => metaText(event, "agent") || event.module.toLowerCase();
