// Which pings are worth a row. Pure.

import { isBeat } from "./kinds.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/**
 * Says of each event, in their order, whether it has a row: a ping that only repeats its agent's last has none.
 *
 * @param {boolean} [all] Whether every ping has one.
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
