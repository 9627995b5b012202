// Counts the events of the store.

const MINUTE_MS = 60_000;

/** The number of events in each of the last `minutes` minutes, oldest first. */
export function perMinute(events, now, minutes) {
  const counts = Array(minutes).fill(0);
  for (const { data } of events) {
    const ago = Math.floor((now - data.timestamp * 1_000) / MINUTE_MS);
    // The clocks of the gateway and of this computer differ a little, so an event can be in the future.
    if (ago < minutes) counts[minutes - 1 - Math.max(0, ago)] += 1;
  }
  return counts;
}

/** The number of events of each type, the most frequent first. */
export function byType(events) {
  const counts = new Map();
  for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}
