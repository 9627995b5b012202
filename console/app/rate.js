// Counts events per minute over the last half hour.

const SECOND = 1_000;
const MINUTE = 60_000;
export const MINUTES = 30;
/** A rate is not estimated from fewer events. */
const FEW = 20;

export class Rate {
  /** The number of events in each minute. @type {Map<number, number>} */
  #counts = new Map();
  /** The number of events in each second. @type {Map<number, number>} */
  #seconds = new Map();
  /** The time since which every event has been counted. */
  #from = Infinity;
  /** The time at which the connection was lost; Infinity while the page is connected. */
  #stopped = Infinity;

  /** @param {number} at @param {number} [count] */
  add(at, count = 1) {
    const minute = Math.floor(at / MINUTE);
    this.#counts.set(minute, (this.#counts.get(minute) ?? 0) + count);
    prune(this.#counts, 2 * MINUTES);
    const second = Math.floor(at / SECOND);
    this.#seconds.set(second, (this.#seconds.get(second) ?? 0) + count);
    prune(this.#seconds, 120);
  }

  /** Notes that every event since this time has been added. @param {number} at */
  completeSince(at) {
    this.#from = Math.min(this.#from, at);
  }

  /** Notes that no event arrives after this time, because the connection was lost. @param {number} at */
  stop(at) {
    this.#stopped = at;
  }

  /** Notes that the connection is restored. A missed event will be counted in the minute of its `ts`. */
  resume() {
    this.#stopped = Infinity;
  }

  clear() {
    this.#counts.clear();
    this.#seconds.clear();
    this.#from = Infinity;
  }

  /**
   * The counts of the last 30 minutes, from the oldest to the current minute. An unknown count is null.
   *
   * @param {number} now
   * @returns {(number | null)[]}
   */
  minutes(now) {
    const last = Math.floor(now / MINUTE);
    return Array.from({ length: MINUTES }, (_, i) => {
      const minute = last - MINUTES + 1 + i;
      const count = this.#counts.get(minute);
      const at = minute * MINUTE;
      return at < this.#from - MINUTE || at > this.#stopped ? null : (count ?? 0);
    });
  }

  /** The number of events in the last 60 s; null if unknown. @param {number} now */
  perMinute(now) {
    if (this.#from === Infinity) return null;
    const last = Math.floor(now / SECOND);
    let sum = 0;
    for (const [second, count] of this.#seconds) if (second > last - 60 && second <= last) sum += count;
    // If only the last seconds are known, the rate of these seconds is the best estimate. A few events are no
    // basis for an estimate.
    const known = Math.max(1, (now - this.#from) / SECOND);
    return known >= 60 || sum < FEW ? sum : Math.round((sum * 60) / known);
  }
}

/** Keeps at least this many of the newest counts. @param {Map<number, number>} counts @param {number} most */
function prune(counts, most) {
  if (counts.size <= 2 * most) return;
  const times = [...counts.keys()].sort((a, b) => a - b);
  for (const time of times.slice(0, -most)) counts.delete(time);
}
