// One run, as its events tell of it in any order. Pure.

import { isActive, rank } from "./groups.js";

/** @typedef {import("../client/types.js").Status} Status */

/**
 * An event of the feed, or of the query API.
 *
 * @typedef {import("../client/types.js").Ticker & { id: number | null, receivedAt?: number, simulated?: boolean, recorded_at?: string, channel?: string, meta?: Record<string, unknown> }} AnyEvent
 */

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

/** @type {Record<string, string>} */
const FAMILIES = { workflow_job: "job", check_run: "job", deployment_status: "deployment" };

/** @param {string} vtid */
export const isTask = (vtid) => vtid !== "UNSET" && vtid !== "IDLE" && vtid !== "";

/**
 * Which run an event is of; null if it is of none. A link names the run, without its attempt; a deployment's link may
 * change on its way, so its task names it.
 *
 * @param {AnyEvent} event
 */
export function runKey(event) {
  if (event.source === "agent.ping") return null;
  const family = FAMILIES[event.kind] ?? event.kind;
  const byTask = `${family}|${event.vtid}|${event.module}`;
  if (!event.link || (family === "deployment" && isTask(event.vtid))) return byTask;
  const link = event.link.replace(/[?#].*$/, "").replace(/\/attempts\/[0-9]+\/?$/, "");
  return `${family}|${link}`;
}

/** @param {AnyEvent} event */
export function attemptOf(event) {
  const told = event.meta?.attempt;
  if (typeof told === "number" && told > 0) return told;
  const link = /\/actions\/runs\/[0-9]+(?:\/attempts\/([0-9]+))?\/?$/.exec(event.link ?? "");
  return link ? Number(link[1] ?? 1) : 0;
}

/**
 * Whether `next` tells of a later state than `run` is in: attempt, then time, then an end beats what is not one.
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

/** @param {unknown} value */
export const text = (value) => (typeof value === "string" ? value.slice(0, 300) : "");

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
  if (status === "queued") run.queuedAt = Math.min(run.queuedAt ?? at, at);
  else if (status === "in_progress") run.startedAt = Math.min(run.startedAt ?? at, at);
  else run.endedAt = Math.max(run.endedAt ?? at, at);
}

/** @param {Run} run @param {AnyEvent} event */
export function learn(run, event) {
  const { meta } = event;
  if (!meta) return;
  run.metaOf = event.id ?? 0;
  run.name = text(meta.name) || text(meta.service) || text(meta.environment) || run.name;
  run.about = text(meta.title) || run.about;
  run.branch = text(meta.branch) || run.branch;
}
