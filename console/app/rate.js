// How many events a minute there were, over the last half hour. Pure.

const MINUTE = 60_000;
export const MINUTES = 30;

export class Rate {
  /** @type {Map<number, number>} */
  #counts = new Map();
  /** From when on every event was counted. */
  #from = Infinity;
  #stopped = Infinity;

  /** @param {number} at @param {number} [count] */
  add(at, count = 1) {
    const minute = Math.floor(at / MINUTE);
    this.#counts.set(minute, (this.#counts.get(minute) ?? 0) + count);
    if (this.#counts.size > 4 * MINUTES) this.#prune(minute - MINUTES);
  }

  /** Every event since then has been added. @param {number} at */
  completeSince(at) {
    this.#from = Math.min(this.#from, at);
  }

  /** @param {number} oldest */
  #prune(oldest) {
    for (const minute of this.#counts.keys()) if (minute < oldest) this.#counts.delete(minute);
  }

  /** From now on nothing comes. @param {number} at */
  stop(at) {
    this.#stopped = at;
  }

  /** What came meanwhile is told now, and counted by its own time. */
  resume() {
    this.#stopped = Infinity;
  }

  clear() {
    this.#counts.clear();
    this.#from = Infinity;
  }

  /**
   * The minutes, the oldest first and the one that runs last; null where it is not known.
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

  /** Events in the last 60 s, as far as minutes tell. @param {number} now */
  perMinute(now) {
    const last = Math.floor(now / MINUTE);
    const part = (now % MINUTE) / MINUTE;
    return Math.round((this.#counts.get(last) ?? 0) + (1 - part) * (this.#counts.get(last - 1) ?? 0));
  }
}
