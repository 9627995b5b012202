// The type of an event from the feed or from the query API, and functions that read an event.

/**
 * @typedef {object} Known
 * @property {number | null} id
 * @property {number} [receivedAt] When the page received a live event, in ms of the gateway's clock.
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

/** An event that arrived this long after its `ts` is late. */
const LATE_MS = 10_000;

/**
 * When an event arrived, in milliseconds: when the gateway recorded a stored event, or when the page
 * received a live event. For a replayed event, this is the `ts` until the stored event is known.
 *
 * @param {AnyEvent} event
 */
export const arrivalOf = ({ receivedAt, recorded_at, ts }) => receivedAt ?? Date.parse(recorded_at ?? ts);

/**
 * How long after its `ts` a late event arrived, in milliseconds; 0 for other events.
 *
 * @param {AnyEvent} event
 */
export function latenessOf(event) {
  const late = arrivalOf(event) - Date.parse(event.ts);
  return late >= LATE_MS ? late : 0;
}

/**
 * A key that differs from the keys of other events. A simulated event has no id.
 *
 * @param {AnyEvent} event
 */
export const keyOf = ({ id, ts, kind, status }) => String(id ?? `${ts} ${kind} ${status}`);

/** @param {AnyEvent} event */
export const agentName = (event) => metaText(event, "agent") || event.module.toLowerCase();
