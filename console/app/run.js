// Builds the state of one run from its events, which may arrive in any order.

import { isTask, metaText, ownName } from "./event.js";
import { familyOf, isDeployment, JOB, RUN } from "./kinds.js";
import { attemptIn, runOfJob, withoutAttempt } from "./links.js";
import { isActive, isPing, phaseOf, rank } from "./sets.js";

/** @typedef {import("../client/types.js").Status} Status */
/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/**
 * @typedef {object} Run
 * @property {string} key
 * @property {AnyEvent} event The event that decides the run's state.
 * @property {Status} status
 * @property {number} attempt The number of the current attempt; 0 if unknown.
 * @property {number} at The `ts` of `event`, in milliseconds.
 * @property {number | null} queuedAt When the current attempt was queued; null if unknown.
 * @property {number | null} startedAt When the current attempt started; null if unknown.
 * @property {number | null} endedAt When the current attempt ended; null if it has not ended.
 * @property {number} after When the previous attempt ended. Events before this time belong to older attempts.
 * @property {number} seenAt When the last event was received (browser's clock) or recorded (gateway's clock).
 * @property {string} name The run's name; empty while the `meta` is unknown.
 * @property {string} about The title of the change that the run checks or deploys; empty while unknown.
 * @property {string} branch
 * @property {number} metaOf The id of the event whose `meta` was read; 0 if no `meta` was read yet; -1 if no
 *   `meta` was read and the page must not request one.
 */

/** Names and titles are cut to this length. */
const MOST_TEXT = 300;

/**
 * For each phase, the property of a run that an event in this phase sets.
 *
 * @type {Record<import("./sets.js").Phase, "queuedAt" | "startedAt" | "endedAt">}
 */
const TIMES = { waits: "queuedAt", runs: "startedAt", ended: "endedAt" };

/**
 * The key of the run that an event reports on; null for a ping. A run is identified by its link without the
 * attempt. A deployment is identified by its task, because the link of a deployment may change.
 *
 * @param {AnyEvent} event
 */
export function runKey(event) {
  if (isPing(event)) return null;
  const family = familyOf(event.kind);
  const isNamedByTask = !event.link || (isDeployment(event) && isTask(event.vtid));
  return `${family}|${isNamedByTask ? `${event.vtid}|${event.module}` : withoutAttempt(event.link ?? "")}`;
}

/** Turns a job's key into the key of the job's run. Any other key stays unchanged. @param {string} key */
export function groupKey(key) {
  const run = key.startsWith(`${JOB}|`) && runOfJob(key.slice(JOB.length + 1));
  return run ? `${RUN}|${run}` : key;
}

/** Whether a key belongs to a run that can have jobs and attempts. @param {string} key */
export const isRunKey = (key) => key.startsWith(`${RUN}|`);

/** The attempt that an event reports on; 0 if unknown. @param {AnyEvent} event */
export function attemptOf({ meta, link }) {
  const attempt = meta?.attempt;
  return typeof attempt === "number" && attempt > 0 ? attempt : attemptIn(link);
}

/**
 * Whether the state that `next` reports is later than the state of `run`. The attempts are compared first,
 * then the times, then the phases, then the ids.
 *
 * @param {Run} run
 * @param {AnyEvent} next
 * @param {number} attempt
 * @param {number} at
 */
function isLater(run, next, attempt, at) {
  if (attempt > 0 && run.attempt > 0 && attempt !== run.attempt) return attempt > run.attempt;
  if (at !== run.at) return at > run.at;
  const order = rank(next.status) - rank(run.status);
  return order !== 0 ? order > 0 : (next.id ?? 0) > (run.event.id ?? 0);
}

/**
 * Updates a run with an event that reports on the run.
 *
 * @param {Run} run
 * @param {AnyEvent} event
 * @param {number} attempt
 * @param {number} at
 * @returns {boolean} Whether the event now decides the run's state.
 */
export function follow(run, event, attempt, at) {
  if (!isLater(run, event, attempt, at)) {
    // The event is late, but its time may be the time when this attempt was queued or started.
    if (attempt === run.attempt && isActive(event.status) && at > run.after) times(run, event.status, at);
    return false;
  }
  if (attempt > run.attempt || (isActive(event.status) && !isActive(run.status))) {
    run.after = run.endedAt ?? run.after;
    run.queuedAt = run.startedAt = run.endedAt = null;
  }
  run.event = event;
  run.status = event.status;
  run.attempt = Math.max(attempt, run.attempt);
  run.at = at;
  times(run, event.status, at);
  return true;
}

/**
 * Makes a run from the first event that reports on the run.
 *
 * @param {string} key
 * @param {AnyEvent} event
 * @param {number} attempt
 * @param {number} at
 * @param {number} seenAt
 * @returns {Run}
 */
export function begin(key, event, attempt, at, seenAt) {
  /** @type {Run} */
  const run = {
    key,
    event,
    status: event.status,
    attempt,
    at,
    queuedAt: null,
    startedAt: null,
    endedAt: null,
    after: 0,
    seenAt,
    name: "",
    about: "",
    branch: "",
    metaOf: 0,
  };
  learn(run, event);
  times(run, event.status, at);
  return run;
}

/**
 * @param {Run} run
 * @param {Status} status
 * @param {number} at
 */
function times(run, status, at) {
  const name = TIMES[phaseOf(status)];
  run[name] = Math[name === "endedAt" ? "max" : "min"](run[name] ?? at, at);
}

/** Sets the run's name, title and branch from the event's `meta`. @param {Run} run @param {AnyEvent} event */
export function learn(run, event) {
  if (!event.meta) return;
  run.metaOf = event.id ?? 0;
  run.name = ownName(event).slice(0, MOST_TEXT) || run.name;
  run.about = metaText(event, "title").slice(0, MOST_TEXT) || run.about;
  run.branch = metaText(event, "branch").slice(0, MOST_TEXT) || run.branch;
}
