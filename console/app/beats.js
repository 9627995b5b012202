// Which pings are worth a row. Pure.

/** @typedef {import("./runs.js").AnyEvent} AnyEvent */

/** What a ping says beyond being alive: the last state of each agent. @returns {(event: AnyEvent) => boolean} */
export function beatFilter() {
  /** @type {Map<string, string>} */
  const last = new Map();
  return (event) => {
    if (event.source !== "agent.ping" || event.kind !== "ping") return true;
    const says = `${event.vtid}|${event.status}`;
    if (last.get(event.module) === says) return false;
    if (last.size > 5_000) last.clear();
    last.set(event.module, says);
    return true;
  };
}
