// How long to wait before the next attempt: longer each time, and never in step with others.

export const FIRST_MS = 1_000;
export const MOST_MS = 30_000;

/** A server may ask for longer waits than ours, but not for any, nor to be asked without end. */
const LEAST_ASKED_MS = 100;
const MOST_ASKED_MS = 300_000;

/**
 * Waits that double from the first to the most. Up to half is added at random, so that those who lost the
 * same server don't all come back in one moment.
 */
export class Backoff {
  #random;
  #first = FIRST_MS;
  #attempts = 0;

  /** @param {() => number} random Gives 0 up to, but not with, 1. */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * What the server asked for with `retry:` is the first wait from now on.
   *
   * @param {number} milliseconds
   */
  ask(milliseconds) {
    this.#first = Math.min(Math.max(milliseconds, LEAST_ASKED_MS), MOST_ASKED_MS);
  }

  /**
   * It worked: the next wait is the first again, as the server that answered asked for, else our own.
   *
   * @param {number | null} asked
   */
  reset(asked = null) {
    this.#attempts = 0;
    this.#first = FIRST_MS;
    if (asked !== null) this.ask(asked);
  }

  /** The next wait in milliseconds. */
  next() {
    // Beyond, the sum is at the most anyway; the bound keeps the power finite.
    const doubled = this.#first * 2 ** Math.min(this.#attempts, 30);
    this.#attempts += 1;
    // At most half is added, so two thirds of the maximum stay within it. What the server asked for is not
    // cut.
    const least = Math.max(Math.min(doubled, (MOST_MS * 2) / 3), this.#first);
    return Math.round(least * (1 + this.#random() / 2));
  }
}
