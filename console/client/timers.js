// The clock, the timers and the network of one feed, all of which a test may replace.

/** Timers overflow beyond, and fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export class Timers {
  #set;
  #clear;

  /** @param {import("./types.js").FeedOptions} options */
  constructor({ now, setTimeout, clearTimeout }) {
    // Browsers want these called as the window's.
    this.now = now ?? Date.now;
    this.#set = setTimeout ?? ((work, milliseconds) => globalThis.setTimeout(work, milliseconds));
    this.#clear = clearTimeout ?? ((timer) => globalThis.clearTimeout(timer));
  }

  /**
   * Calls `work` after a while, unless what it gives back is called or the signal comes before.
   *
   * @param {number} milliseconds
   * @param {AbortSignal} signal
   * @param {() => void} work
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
 * A controller that is aborted with its parent, or by itself. `free` takes it off the parent.
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
