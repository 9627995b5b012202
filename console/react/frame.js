// Bundles work, so that a thousand events per second cause at most one render per frame.

/** A page in the background gets no animation frames, so a timer does the work after this time. */
const LONGEST_MS = 250;

/**
 * Returns a function that schedules `work` for the next animation frame, and a function that does the
 * scheduled work at once.
 *
 * @param {() => void} work
 */
export function perFrame(work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const flush = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    work();
  };
  const schedule = () => {
    if (timer !== undefined) return;
    timer = setTimeout(flush, LONGEST_MS);
    // A frame that comes after the timer may flush the next rows early, which does no harm.
    globalThis.requestAnimationFrame?.(flush);
  };
  return { schedule, flush };
}
