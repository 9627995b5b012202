// Which pings get a row. Pure.

import { isBeat } from "./kinds.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/**
 * Makes a filter over events in their order: a ping that repeats the last one of its agent gets no row.
 *
 * @param {boolean} [all] Whether every ping gets one.
 * @returns {(event: AnyEvent) => boolean}
 */
export function beatFilter(all = false) {
  /** @type {Map<string, string>} */
  const last = new Map();
  return (event) => {
    if (all || !isBeat(event)) return true;
    const says = `${event.vtid}|${event.status}`;
    if (last.get(event.module) === says) return false;
    if (last.size > 5_000) last.clear();
    last.set(event.module, says);
    return true;
  };
}
