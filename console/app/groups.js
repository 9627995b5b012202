// A run and its jobs are one thing to whoever looks: what is told of them together. Pure.

import { isRunKey } from "./run.js";
import { isActive, isFailure, rank } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./run.js").Run} Run */

/**
 * @typedef {object} Group
 * @property {string} key That of the run, also while the run is not known.
 * @property {Run | null} run
 * @property {Map<string, Run>} jobs
 * @property {number} told The attempt whose failure has been told; 0 for none.
 */

/**
 * What is shown of a group.
 *
 * @typedef {object} Row
 * @property {string} key
 * @property {Run} run What gives the name: the run, or one of its jobs while the run is not known.
 * @property {Run} state What gives the state, the times and the link, and is opened.
 * @property {Run[]} jobs Those of this attempt, as far as they are known.
 * @property {Run[]} failed
 */

/** @param {Run} run */
const isFailed = (run) => isFailure(run.status);

/**
 * The name of this failure of a run; the next one gets another. It uses only fields of the feed, so it never
 * changes.
 *
 * @param {Run} run
 */
export const failureName = (run) => `${run.key}|${isRunKey(run.key) && run.attempt ? run.attempt : run.at}`;

/** The names by which a failure is dismissed. @param {Row} row */
export const failureNames = (row) => (row.run.key === row.key ? [row.run] : row.failed).map(failureName);

/** What an earlier attempt left is older than this one. @param {Run} job @param {Run} run */
const isOfAttempt = (job, run) => job.at >= (run.queuedAt ?? run.startedAt ?? 0);

/** @param {Group} group @returns {{ run: Run | null, jobs: Run[] }} */
function current(group) {
  const { run } = group;
  const jobs = [...group.jobs.values()];
  if (!run) return { run, jobs };
  // Jobs that began after the run had ended are of its next attempt, which is still to be told.
  const next = isActive(run.status)
    ? []
    : jobs.filter((job) => (job.queuedAt ?? job.startedAt ?? 0) > run.at);
  return next.length > 0
    ? { run: null, jobs: next }
    : { run, jobs: jobs.filter((job) => isOfAttempt(job, run)) };
}

/**
 * Once a run has ended its own status counts, so a job that may fail is no failure. Until then its first
 * failed job counts.
 *
 * @param {Group} group
 * @param {(decides: Run, failed: Run) => boolean} stands Whether this failure is still of interest.
 * @returns {Row | null}
 */
export function failing(group, stands) {
  const { run, jobs } = current(group);
  const failed = jobs.filter(isFailed).sort((a, b) => a.at - b.at);
  const parts = !run || isActive(run.status) ? failed : isFailed(run) ? [run] : [];
  const state = parts.find((part) => stands(run ?? part, part));
  return state ? { key: group.key, run: run ?? state, state, jobs, failed } : null;
}

/**
 * @param {Group} group
 * @param {(seenAt: number) => boolean} lives Whether that is recent enough.
 * @returns {Row | null}
 */
export function running(group, lives) {
  const { run, jobs } = current(group);
  const [state] = (run ? [run] : jobs).filter((one) => isActive(one.status)).sort(inOrder);
  if (!state || ![state, ...jobs].some((one) => lives(one.seenAt))) return null;
  return { key: group.key, run: state, state, jobs, failed: jobs.filter(isFailed) };
}

/** What began last is first, and what waits stands below what runs. @param {Run} a @param {Run} b */
export const inOrder = (a, b) =>
  rank(b.status) - rank(a.status) || since(b) - since(a) || (a.key < b.key ? -1 : 1);

/** @param {Run} run */
const since = (run) => run.startedAt ?? run.queuedAt ?? run.at;

/** How its jobs are; empty where that says no more than its state. @param {Row} row */
export function jobsSay({ run, state, jobs, failed }) {
  if (jobs.length < 2) return "";
  const done = jobs.filter((job) => !isActive(job.status)).length;
  if (failed.length === 0) return `${done} of ${jobs.length} jobs done`;
  const soFar = state !== run && isActive(run.status) ? " so far" : "";
  return `${failed.length} of ${jobs.length} jobs failed${soFar}`;
}

/**
 * Whether a filter chooses the run, or one of its jobs.
 *
 * @param {Row} row
 * @param {(event: AnyEvent) => boolean} matches
 */
export const rowMatches = (row, matches) => [row.run, ...row.jobs].some((run) => matches(run.event));
