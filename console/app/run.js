// One run, as its events tell of it in any order. Pure.

import { isTask, metaText, ownName } from "./event.js";
import { familyOf, isDeployment, JOB, RUN } from "./kinds.js";
import { attemptIn, runOfJob, withoutAttempt } from "./links.js";
import { isActive, isPing, phaseOf, rank } from "./sets.js";

/** @typedef {import("../client/types.js").Status} Status */
/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/**
 * @typedef {object} Run
 * @property {string} key
 * @property {AnyEvent} event The one that decides its state.
 * @property {Status} status
 * @property {number} attempt 0 where nothing says.
 * @property {number} at The `ts` of that event.
 * @property {number | null} queuedAt When this attempt was queued,
 * @property {number | null} startedAt began to run,
 * @property {number | null} endedAt and ended.
 * @property {number} after When the one before it ended; what is older is none of its.
 * @property {number} seenAt When it was last heard of, by our clock or the gateway's.
 * @property {string} name What it calls itself, once its meta is known; else empty.
 * @property {string} about The title of what it works on, likewise.
 * @property {string} branch
 * @property {number} metaOf The id of the event whose meta was looked at; 0 for none.
 */

/** Names and titles are cut to this length. */
const MOST_TEXT = 300;

/**
 * The time of a run that an event of this phase reports.
 *
 * @type {Record<import("./sets.js").Phase, "queuedAt" | "startedAt" | "endedAt">}
 */
const TIMES = { waits: "queuedAt", runs: "startedAt", ended: "endedAt" };

/**
 * The key of the run that an event reports on; null for a ping. A run is identified by its link without the
 * attempt, a deployment by its task, because its link may change.
 *
 * @param {AnyEvent} event
 */
export function runKey(event) {
  if (isPing(event)) return null;
  const family = familyOf(event.kind);
  const isNamedByTask = !event.link || (isDeployment(event) && isTask(event.vtid));
  return `${family}|${isNamedByTask ? `${event.vtid}|${event.module}` : withoutAttempt(event.link ?? "")}`;
}

/** The key of the run for the key of one of its jobs; any other key stays as it is. @param {string} key */
export function groupKey(key) {
  const run = key.startsWith(`${JOB}|`) && runOfJob(key.slice(JOB.length + 1));
  return run ? `${RUN}|${run}` : key;
}

/** Whether it is the key of a run that has jobs and attempts. @param {string} key */
export const isRunKey = (key) => key.startsWith(`${RUN}|`);

/** The attempt of a run; 0 where nothing says. @param {AnyEvent} event */
export function attemptOf({ meta, link }) {
  const told = meta?.attempt;
  return typeof told === "number" && told > 0 ? told : attemptIn(link);
}

/**
 * Whether `next` reports a later state than that of `run`: by attempt, then by time, then an end beats the
 * rest.
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
 * @param {Run} run
 * @param {AnyEvent} event
 * @param {number} attempt
 * @param {number} at
 * @returns {boolean} Whether its state is now what this event says.
 */
export function follow(run, event, attempt, at) {
  if (!isLater(run, event, attempt, at)) {
    // It came late, but may say when this attempt was queued or began.
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

/** @param {Run} run @param {AnyEvent} event */
export function learn(run, event) {
  if (!event.meta) return;
  run.metaOf = event.id ?? 0;
  run.name = ownName(event).slice(0, MOST_TEXT) || run.name;
  run.about = metaText(event, "title").slice(0, MOST_TEXT) || run.about;
  run.branch = metaText(event, "branch").slice(0, MOST_TEXT) || run.branch;
}
