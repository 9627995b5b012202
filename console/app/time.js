// Formats durations and times. The results depend on the reader's time zone and language.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** @param {number} n */
const two = (n) => String(n).padStart(2, "0");

/**
 * A duration in its two largest units: `850 ms`, `12 s`, `3 m 04 s`, `2 h 10 m`, `3 d 4 h`.
 *
 * @param {number} ms
 */
export function duration(ms) {
  const t = Math.max(0, ms);
  if (t < SECOND) return `${Math.round(t)} ms`;
  if (t < MINUTE) return `${Math.floor(t / SECOND)} s`;
  if (t < HOUR) return `${Math.floor(t / MINUTE)} m ${two(Math.floor((t % MINUTE) / SECOND))} s`;
  if (t < DAY) return `${Math.floor(t / HOUR)} h ${two(Math.floor((t % HOUR) / MINUTE))} m`;
  return `${Math.floor(t / DAY)} d ${Math.floor((t % DAY) / HOUR)} h`;
}

/**
 * A duration in its largest unit only: `45 s`, `3 m`, `2 h`, `5 d`.
 *
 * @param {number} ms
 */
export function rounded(ms) {
  const t = Math.max(0, ms);
  if (t < MINUTE) return `${Math.floor(t / SECOND)} s`;
  if (t < HOUR) return `${Math.floor(t / MINUTE)} m`;
  if (t < DAY) return `${Math.floor(t / HOUR)} h`;
  return `${Math.floor(t / DAY)} d`;
}

/** The same without the space, for narrow places: `45s`. @param {number} ms */
export const short = (ms) => rounded(ms).replace(" ", "");

/** @param {number} ms */
const isTime = (ms) => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;

/**
 * The time of day in the reader's zone, in 24-hour format, so that every time has the same width.
 *
 * @param {number} ms
 */
export function clock(ms) {
  if (!isTime(ms)) return "--:--:--";
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** @type {Intl.DateTimeFormat | undefined} */
let date;

/**
 * The time of day. If `ms` and `now` are on different days, the result has the date instead of the seconds.
 *
 * @param {number} ms
 * @param {number} now
 */
export function moment(ms, now) {
  if (!isTime(ms)) return "unknown";
  const at = new Date(ms);
  if (at.toDateString() === new Date(now).toDateString()) return clock(ms);
  date ??= new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  return `${date.format(at)}, ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** @type {Intl.DateTimeFormat | undefined} */
let full;

/**
 * The date and the time in full, in the reader's time zone and in UTC.
 *
 * @param {number} ms
 */
export function exact(ms) {
  if (!isTime(ms)) return "";
  const at = new Date(ms);
  // The formatter is made once, because making a formatter costs more than making the rest of a row.
  full ??= new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  return `${full.format(at)}\n${at.toISOString()}`;
}

const STEPS = [1, 2, 5, 10, 15, 30]
  .map((n) => n * SECOND)
  .concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE))
  .concat([1, 2, 3, 6, 12].map((n) => n * HOUR))
  .concat([1, 2, 7, 14, 28].map((n) => n * DAY));

/**
 * Returns at most `most` + 1 round instants from `from` to `to`, and the time between two of them.
 *
 * @param {number} from
 * @param {number} to
 * @param {number} most
 */
export function ticks(from, to, most) {
  const step = STEPS.find((step) => (to - from) / step <= most) ?? (to - from) / most;
  // The instants are round in the reader's time zone, not in UTC.
  const zone = new Date(from).getTimezoneOffset() * MINUTE;
  const found = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) found.push(at);
  return { step, at: found };
}
