// Decides which pings get a row in a list of events.

import { isBeat } from "./kinds.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/**
 * Makes a filter that drops a ping if the task and the status are the same as in the agent's previous ping.
 * The filter must be called with the events in order.
 *
 * @param {boolean} [all] Whether to keep every ping.
 * @returns {(event: AnyEvent) => boolean}
 */
export function beatFilter(all = false) {
  /** @type {Map<string, string>} */
  const last = new Map();
  return (event) => {
    if (all || !isBeat(event)) return true;
    const state = `${event.vtid}|${event.status}`;
    if (last.get(event.module) === state) return false;
    if (last.size > 5_000) last.clear();
    last.set(event.module, state);
    return true;
  };
}
