// Counts events per minute over the last half hour.

const MINUTE = 60_000;
export const MINUTES = 30;

export class Rate {
  /** @type {Map<number, number>} */
  #counts = new Map();
  /** The time since which every event has been counted. */
  #from = Infinity;
  /** The time at which the connection was lost; Infinity while the page is connected. */
  #stopped = Infinity;

  /** @param {number} at @param {number} [count] */
  add(at, count = 1) {
    const minute = Math.floor(at / MINUTE);
    this.#counts.set(minute, (this.#counts.get(minute) ?? 0) + count);
    if (this.#counts.size > 4 * MINUTES) this.#prune(minute - MINUTES);
  }

  /** Notes that every event since this time has been added. @param {number} at */
  completeSince(at) {
    this.#from = Math.min(this.#from, at);
  }

  /** @param {number} oldest */
  #prune(oldest) {
    for (const minute of this.#counts.keys()) if (minute < oldest) this.#counts.delete(minute);
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

  /** Estimates the number of events in the last 60 s from the last two counts. @param {number} now */
  perMinute(now) {
    const last = Math.floor(now / MINUTE);
    const part = (now % MINUTE) / MINUTE;
    return Math.round((this.#counts.get(last) ?? 0) + (1 - part) * (this.#counts.get(last - 1) ?? 0));
  }
}
