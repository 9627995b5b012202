// The report of work without a task, as the gateway sends it.

import { isObject } from "../../client/wire.js";

/**
 * How much work there is, and how much of it names no task.
 *
 * @typedef {{ total: number, without: number }} Count
 */

/** The sorts of work, with their names on the page. */
export const WORK = /** @satisfies {Record<Work, string>} */ ({
  runs: "Runs",
  deploys: "Deploys",
  agents: "Agents",
});

/** @typedef {import("../../client/schemas.js").CanonReport["worst"][number]["work"]} Work */
/** @typedef {Record<Work, Count>} Counts */
/** @typedef {{ day: string, counts: Counts }} Day */
/** @typedef {{ work: Work, name: string, count: Count, newest: number | null }} Producer */
/** @typedef {{ days: number, counts: Counts, trend: Day[], worst: Producer[], complete: boolean }} Report */

const KEYS = /** @type {Work[]} */ (Object.keys(WORK));

/** @param {unknown} value */
const whole = (value) => (typeof value === "number" && value >= 0 ? Math.trunc(value) : 0);

/** @param {unknown} value @returns {Count} */
const toCount = (value) =>
  isObject(value)
    ? { total: whole(value.total), without: whole(value.without_task) }
    : { total: 0, without: 0 };

/** @param {Record<string, unknown>} value @returns {Counts} */
const toCounts = ({ runs, deploys, agents }) => ({
  runs: toCount(runs),
  deploys: toCount(deploys),
  agents: toCount(agents),
});

/** @param {unknown} list */
const objects = (list) => (Array.isArray(list) ? list.filter(isObject) : []);

/** Reads an answer. Values of another type count as absent. @param {unknown} body @returns {Report} */
export function toReport(body) {
  const report = isObject(body) ? body : {};
  return {
    days: whole(report.days),
    counts: toCounts(report),
    trend: objects(report.trend).map((day) => ({ day: String(day.day), counts: toCounts(day) })),
    worst: objects(report.worst).flatMap((one) => {
      const work = KEYS.find((key) => key === one.work);
      const newest = typeof one.newest === "number" ? one.newest : null;
      return work ? [{ work, name: String(one.name), count: toCount(one), newest }] : [];
    }),
    complete: report.complete === true,
  };
}

/** The sum of all sorts of work. @param {Counts} counts @returns {Count} */
export function sum(counts) {
  const all = KEYS.map((key) => counts[key]);
  const add = (/** @type {keyof Count} */ field) => all.reduce((sum, count) => sum + count[field], 0);
  return { total: add("total"), without: add("without") };
}

/**
 * The share of work that names its task, rounded down: it is 100 % only if all work names a task.
 *
 * @param {Count} count
 */
export function share({ total, without }) {
  if (total === 0) return "–";
  return `${Math.floor(((total - without) / total) * 100)} %`;
}
