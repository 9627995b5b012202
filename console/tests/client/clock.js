// A clock that moves only when a test advances it, and a repeatable random generator.

export class Clock {
  #now = Date.parse("2026-01-02T03:04:05.000Z");
  #timers = new Map();
  #next = 1;
  /** @type {Map<number, number>} The number of timers that were set with each delay in milliseconds. */
  asked = new Map();

  now = () => this.#now;

  setTimeout = (work, milliseconds) => {
    const id = this.#next++;
    this.asked.set(milliseconds, (this.asked.get(milliseconds) ?? 0) + 1);
    this.#timers.set(id, { at: this.#now + milliseconds, work });
    return id;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  /** The number of timers that have neither fired nor been cleared. */
  get pending() {
    return this.#timers.size;
  }

  /** Advances the clock and fires the timers that are due, in order. */
  advance(milliseconds) {
    const until = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      const [id, { at, work }] = due;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      work();
    }
    this.#now = until;
  }
}

/**
 * Makes a generator of numbers from 0 up to, but not including, 1. The same seed gives the same numbers
 * (mulberry32).
 */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A random integer from `least` to `most`, both included. */
export const pick = (random, least, most) => least + Math.floor(random() * (most - least + 1));
