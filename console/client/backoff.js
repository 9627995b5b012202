// Computes the waits between connection attempts.

export const FIRST_MS = 1_000;
export const MOST_MS = 30_000;

/** The bounds on a wait that a server asks for. They prevent a busy loop and an endless wait. */
const LEAST_ASKED_MS = 100;
const MOST_ASKED_MS = 300_000;

/**
 * Doubles each wait, by default from 1 s up to 20 s, and adds a random part of up to half of the wait. The
 * random part prevents all clients of a server from reconnecting at the same time.
 */
export class Backoff {
  #random;
  #initial;
  #most;
  #first = FIRST_MS;
  #attempts = 0;

  /**
   * @param {() => number} random Returns a number from 0 up to, but not including, 1.
   * @param {number} initial The first wait, in milliseconds. Clamped like the waits that a server asks for.
   * @param {number} most The longest wait, in milliseconds, with its random part.
   */
  constructor(random = Math.random, initial = FIRST_MS, most = MOST_MS) {
    this.#random = random;
    this.#initial = initial;
    this.#most = most;
    this.reset();
  }

  /**
   * Sets the first wait to the wait that the server asked for with `retry:`.
   *
   * @param {number} milliseconds Clamped to the range from 100 ms to 5 minutes.
   */
  ask(milliseconds) {
    this.#first = Math.min(Math.max(milliseconds, LEAST_ASKED_MS), MOST_ASKED_MS);
  }

  /**
   * Starts again with the first wait. Call this method after a success.
   *
   * @param {number | null} asked The first wait that the server asked for; null if it asked for none.
   */
  reset(asked = null) {
    this.#attempts = 0;
    this.ask(asked ?? this.#initial);
  }

  /** Returns the next wait, in milliseconds. */
  next() {
    // The exponent is at most 30, so the result is finite. The wait reaches its maximum after fewer attempts.
    const doubled = this.#first * 2 ** Math.min(this.#attempts, 30);
    this.#attempts += 1;
    // The random part adds at most half of the wait. So the wait without the random part is capped at two
    // thirds of the maximum. A wait that the server asked for is not capped here.
    const least = Math.max(Math.min(doubled, (this.#most * 2) / 3), this.#first);
    return Math.round(least * (1 + this.#random() / 2));
  }
}
