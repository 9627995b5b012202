// Combines a run and its jobs into one row.

import { isRunKey } from "./run.js";
import { isActive, isFailure, rank } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./run.js").Run} Run */

/**
 * @typedef {object} Group
 * @property {string} key The run's key, even while the run is unknown.
 * @property {Run | null} run Null while the run is unknown.
 * @property {Map<string, Run>} jobs
 * @property {number} reported The last attempt that was reported as failed; 0 if none was.
 */

/**
 * The row that shows a group.
 *
 * @typedef {object} Row
 * @property {string} key The group's key.
 * @property {Run} run The run, which gives the row its name. While the run is unknown, this is a job.
 * @property {Run} state The run or job that gives the row its state, times, link and event.
 * @property {Run[]} jobs The known jobs of the current attempt.
 * @property {Run[]} failed The jobs of the current attempt that failed.
 */

/** @param {Run} run */
const isFailed = (run) => isFailure(run.status);

/**
 * The name of a run's current failure. Each failure of a run has a different name. The name depends only on
 * fields that the feed contains, so the name stays the same when the run's `meta` becomes known.
 *
 * @param {Run} run
 */
export const failureName = (run) => `${run.key}|${isRunKey(run.key) && run.attempt ? run.attempt : run.at}`;

/** The names of the failures that the user dismisses with a row. @param {Row} row */
export const failureNames = (row) => (row.run.key === row.key ? [row.run] : row.failed).map(failureName);

/**
 * The name of a run's current state while the run waits or runs. After the next event of the run, the name is
 * different.
 *
 * @param {Run} run
 */
export const activeName = (run) => `active|${run.key}|${run.status}|${run.at}`;

/** The names of the active runs that the user dismisses with a row. @param {Row} row */
export const activeNames = (row) =>
  (row.run.key === row.key ? [row.run] : row.jobs.filter((job) => isActive(job.status))).map(activeName);

/**
 * Whether a job belongs to the run's current attempt. The jobs of earlier attempts ended before this attempt
 * began.
 *
 * @param {Run} job
 * @param {Run} run
 */
const isOfAttempt = (job, run) => job.at >= (run.queuedAt ?? run.startedAt ?? 0);

/** The current attempt of a group. @param {Group} group @returns {{ run: Run | null, jobs: Run[] }} */
function current(group) {
  const { run } = group;
  const jobs = [...group.jobs.values()];
  if (!run) return { run, jobs };
  // Jobs that began after the run ended belong to the next attempt. The event with which the run reports this
  // attempt has not arrived yet.
  const next = isActive(run.status)
    ? []
    : jobs.filter((job) => (job.queuedAt ?? job.startedAt ?? 0) > run.at);
  return next.length > 0
    ? { run: null, jobs: next }
    : { run, jobs: jobs.filter((job) => isOfAttempt(job, run)) };
}

/**
 * The row of a failed group. While the run is active, its first failed job makes the group a failure. After
 * the run has ended, only the status of the run counts, because some jobs are allowed to fail.
 *
 * @param {Group} group
 * @param {(runOrJob: Run, failed: Run) => boolean} isOpen Whether the failure is recent, not fixed and not
 *   dismissed. `runOrJob` is the run, or the failed job while the run is unknown.
 * @returns {Row | null} Null if the group has no open failure.
 */
export function failing(group, isOpen) {
  const { run, jobs } = current(group);
  const failed = jobs.filter(isFailed).sort((a, b) => a.at - b.at);
  const parts = !run || isActive(run.status) ? failed : isFailed(run) ? [run] : [];
  const state = parts.find((part) => isOpen(run ?? part, part));
  return state ? { key: group.key, run: run ?? state, state, jobs, failed } : null;
}

/**
 * The row of a group that runs or waits.
 *
 * @param {Group} group
 * @param {(runOrJob: Run) => boolean} isRecent Whether the last event of the run or job is recent.
 * @param {ReadonlySet<string>} [dismissed] Names from activeName().
 * @returns {Row | null} Null if the group neither runs nor waits, or if its last event is not recent, or if
 *   the user has dismissed the group.
 */
export function running(group, isRecent, dismissed = new Set()) {
  const { run, jobs } = current(group);
  const active = (run ? [run] : jobs).filter((one) => isActive(one.status));
  const [state] = active.filter((one) => !dismissed.has(activeName(one))).sort(inOrder);
  if (!state || ![state, ...jobs].some(isRecent)) return null;
  return { key: group.key, run: state, state, jobs, failed: jobs.filter(isFailed) };
}

/** Sorts running runs before waiting runs, and newer before older runs. @param {Run} a @param {Run} b */
export const inOrder = (a, b) =>
  rank(b.status) - rank(a.status) || since(b) - since(a) || (a.key < b.key ? -1 : 1);

/** @param {Run} run */
const since = (run) => run.startedAt ?? run.queuedAt ?? run.at;

/** A summary of a row's jobs; empty if the row has fewer than two jobs. @param {Row} row */
export function jobsSummary({ run, state, jobs, failed }) {
  if (jobs.length < 2) return "";
  const done = jobs.filter((job) => !isActive(job.status)).length;
  if (failed.length === 0) return `${done} of ${jobs.length} jobs done`;
  const soFar = state !== run && isActive(run.status) ? " so far" : "";
  return `${failed.length} of ${jobs.length} jobs failed${soFar}`;
}

/**
 * Whether a filter matches the run of a row, or one of the row's jobs.
 *
 * @param {Row} row
 * @param {(event: AnyEvent) => boolean} matches
 */
export const rowMatches = (row, matches) => [row.run, ...row.jobs].some((run) => matches(run.event));
