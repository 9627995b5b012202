// A clock that stands still until it is told to go on, and randomness that repeats.

export class Clock {
  #now = Date.parse("2026-01-02T03:04:05.000Z");
  #timers = new Map();
  #next = 1;
  /** @type {Map<number, number>} How often a timer of so many milliseconds was set. */
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

  /** Timers that have not fired. */
  get pending() {
    return this.#timers.size;
  }

  /** Goes on, firing what is due, in order. */
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

/** Numbers from 0 up to 1 that depend on the seed only (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`. */
export const pick = (random, least, most) => least + Math.floor(random() * (most - least + 1));
