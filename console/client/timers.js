// Wraps the clock and the timers of one feed. Tests can replace the clock and the timers.

/** The maximum delay of a timer. A timer with a longer delay fires at once, because the number overflows. */
const LONGEST_MS = 2 ** 31 - 1;

export class Timers {
  #set;
  #clear;

  /** @param {import("./types.js").FeedOptions} options */
  constructor({ now, setTimeout, clearTimeout }) {
    // In browsers, `setTimeout` and `clearTimeout` must be called as methods of the window.
    this.now = now ?? Date.now;
    this.#set = setTimeout ?? ((work, milliseconds) => globalThis.setTimeout(work, milliseconds));
    this.#clear = clearTimeout ?? ((timer) => globalThis.clearTimeout(timer));
  }

  /**
   * Calls `work` after a delay, unless the timer is cancelled or the signal aborts first.
   *
   * @param {number} milliseconds
   * @param {AbortSignal} signal
   * @param {() => void} work
   * @returns {() => void} Cancels the timer.
   */
  after(milliseconds, signal, work) {
    const cancel = () => {
      signal.removeEventListener("abort", cancel);
      this.#clear(timer);
    };
    if (signal.aborted) return () => {};
    const timer = this.#set(
      () => {
        cancel();
        work();
      },
      Math.min(milliseconds, LONGEST_MS),
    );
    signal.addEventListener("abort", cancel);
    return cancel;
  }

  /**
   * @param {number} milliseconds
   * @param {AbortSignal} signal Ends the wait early.
   * @returns {Promise<void>}
   */
  sleep(milliseconds, signal) {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        signal.removeEventListener("abort", wake);
        cancel();
        resolve();
      };
      const cancel = this.after(milliseconds, signal, wake);
      signal.addEventListener("abort", wake);
    });
  }
}

/**
 * Makes a controller that aborts when the parent signal aborts. The controller can also be aborted without
 * the parent. `free` removes the listener from the parent.
 *
 * @param {AbortSignal} parent
 */
export function childOf(parent) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (parent.aborted) abort();
  parent.addEventListener("abort", abort);
  return { controller, free: () => parent.removeEventListener("abort", abort) };
}
