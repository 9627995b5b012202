// Keeps the list of visible toasts: folds equal ones, and drops the oldest.

/** @typedef {import("./types.js").SSEEvent} SSEEvent */
/** @typedef {import("./types.js").Description} Description */

/**
 * @typedef {object} Own
 * @property {string} key Equal toasts have equal keys.
 * @property {SSEEvent} event The last of the events.
 * @property {import("./types.js").Variant} variant
 * @property {number} count The number of events.
 * @property {number} until When the toast disappears, in milliseconds since the epoch.
 */

/** @typedef {Description & Own} Notice */

/**
 * Adds events to a list of toasts.
 *
 * @param {readonly Notice[]} list Oldest first.
 * @param {readonly SSEEvent[]} events
 * @param {{ now: number, duration: number, max: number, filter?: (event: SSEEvent) => boolean,
 *   describe: (event: SSEEvent) => Description | null }} options
 * @returns {{ list: Notice[], changed: Notice[] }} `changed` are the new toasts and those with a new
 *   count.
 */
export function fold(list, events, { now, duration, max, filter, describe }) {
  const folded = new Map(list.filter(({ until }) => until > now).map((notice) => [notice.key, notice]));
  for (const event of events) {
    if (filter && !filter(event)) continue;
    const described = describe(event);
    if (!described) continue;
    const { title, description = "", variant = "info" } = described;
    const key = JSON.stringify([event.type, variant, title, description]);
    const count = (folded.get(key)?.count ?? 0) + 1;
    folded.set(key, { ...described, variant, key, event, count, until: now + duration });
  }
  const shown = [...folded.values()].slice(-Math.max(1, max));
  return { list: shown, changed: shown.filter((notice) => !list.includes(notice)) };
}
