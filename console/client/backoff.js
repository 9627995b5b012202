// Computes the waits between connection attempts.

export const FIRST_MS = 1_000;
export const MOST_MS = 30_000;

/** The bounds on a wait that a server asks for. They prevent a busy loop and an endless wait. */
const LEAST_ASKED_MS = 100;
const MOST_ASKED_MS = 300_000;

/**
 * Doubles each wait, from 1 s up to 20 s, and adds a random part of up to half of the wait. So clients that
 * lost the same server do not all reconnect at the same time.
 */
export class Backoff {
  #random;
  #first = FIRST_MS;
  #attempts = 0;

  /** @param {() => number} random Returns a number from 0 up to, but not including, 1. */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * Uses the wait that the server asked for with `retry:` as the first wait from now on.
   *
   * @param {number} milliseconds Clamped to the range from 100 ms to 5 minutes.
   */
  ask(milliseconds) {
    this.#first = Math.min(Math.max(milliseconds, LEAST_ASKED_MS), MOST_ASKED_MS);
  }

  /**
   * Makes the next wait the first one again. Call this method after a success.
   *
   * @param {number | null} asked The first wait that the server asked for; null for the default of 1 s.
   */
  reset(asked = null) {
    this.#attempts = 0;
    this.#first = FIRST_MS;
    if (asked !== null) this.ask(asked);
  }

  /** Returns the next wait, in milliseconds. */
  next() {
    // The bound of 30 keeps the power finite. The wait reaches its maximum after far fewer attempts.
    const doubled = this.#first * 2 ** Math.min(this.#attempts, 30);
    this.#attempts += 1;
    // The random part adds at most half of the wait, so the wait without it is capped at two thirds of the
    // maximum. A wait that the server asked for is not capped.
    const least = Math.max(Math.min(doubled, (MOST_MS * 2) / 3), this.#first);
    return Math.round(least * (1 + this.#random() / 2));
  }
}
