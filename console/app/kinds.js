// The kinds of events that the page knows: a table for GitHub and Cloud Run, and predicates for pings. A
// producer may send any other kind. The page treats an unknown kind as work that takes time.

import { agentName, metaText, ownName } from "./event.js";
import { pullNumber } from "./links.js";
import { isPing, ofStatus, sourceFacts } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./sets.js").Status} Status */
/** @typedef {import("./sets.js").Lane} Lane */

/**
 * - `moment`: an event without a duration, which never runs or fails
 * - `run`: has jobs and attempts
 * - `job`: one job of a run
 * - `deployment`: identified by its task, because the link may change
 * - `work`: anything else that takes time
 * - `greeting`: GitHub's notice that a webhook was set up
 *
 * @typedef {"moment" | "run" | "job" | "deployment" | "work" | "greeting"} Nature
 */

/**
 * @typedef {object} KindFacts
 * @property {Lane} lane The kind's lane in a task's journey.
 * @property {Nature} is
 * @property {"push" | "pull" | "release"} [step] The kind's step in a task's journey.
 * @property {(event: AnyEvent) => string} [name] The label in a journey; by default the name in `meta`.
 */

/**
 * For each status that ends a pull request: the word in the label, and the name of the step. Null for every
 * other status.
 *
 * @type {Record<Status, [string, string] | null>}
 */
const PULL_ENDS = {
  queued: null,
  in_progress: null,
  success: ["merged", "Merged"],
  failure: null,
  cancelled: ["closed", "PR closed"],
  info: null,
};

/** @param {AnyEvent} event */
const pullEnd = (event) => ofStatus(PULL_ENDS, event.status);

/** The name of the step if an event ends a pull request, otherwise null. @param {AnyEvent} event */
export const pullEndStep = (event) => (isStep(event, "pull") ? (pullEnd(event)?.[1] ?? null) : null);

/** @param {AnyEvent} event */
function pullName(event) {
  const what = pullEnd(event)?.[0] ?? metaText(event, "action").replaceAll("_", " ");
  return ["PR", pullNumber(event.link), what].filter(Boolean).join(" ");
}

/** The kind of a run, and the family of the kinds that report on a job. */
export const RUN = "workflow_run";
export const JOB = "job";

/** @type {Record<string, KindFacts>} */
const TABLE = {
  push: {
    lane: "code",
    is: "moment",
    step: "push",
    name: (event) => `push ${metaText(event, "sha").slice(0, 7)}`.trim(),
  },
  create: { lane: "code", is: "moment" },
  delete: { lane: "code", is: "moment" },
  pull_request: { lane: "code", is: "moment", step: "pull", name: pullName },
  [RUN]: { lane: "checks", is: "run" },
  workflow_job: { lane: "checks", is: JOB },
  check_run: { lane: "checks", is: JOB },
  check_suite: { lane: "checks", is: "work" },
  deployment: { lane: "deploys", is: "deployment" },
  deployment_status: { lane: "deploys", is: "deployment" },
  deploy: { lane: "deploys", is: "work" },
  release: {
    lane: "deploys",
    is: "moment",
    step: "release",
    name: (event) => metaText(event, "tag") || event.kind,
  },
  ping: { lane: "events", is: "greeting" },
};

const KINDS = new Map(Object.entries(TABLE));

/** The lanes of other kinds, by prefix. @type {[string, Lane][]} */
const BEGINNINGS = [
  ["workflow_", "checks"],
  ["check_", "checks"],
  ["deploy", "deploys"],
  ["release", "deploys"],
];

/** @param {string} kind @returns {KindFacts} */
function factsOf(kind) {
  const known = KINDS.get(kind);
  if (known) return known;
  const lane = BEGINNINGS.find(([beginning]) => kind.startsWith(beginning))?.[1] ?? "events";
  return { lane, is: "work" };
}

/** A kind in words. @param {string} kind */
export const kindWords = (kind) => kind.replaceAll("_", " ");

/** @param {AnyEvent} event @returns {Lane} */
export const laneOf = (event) => sourceFacts(event.source).lane ?? factsOf(event.kind).lane;

/** Whether an event is always a point in a journey. @param {{ kind: string }} event */
export const isMoment = ({ kind }) => factsOf(kind).is === "moment";

/** Whether an event is never part of a run. @param {AnyEvent} event */
export const isNoRun = ({ source, kind }) =>
  sourceFacts(source).isGitHub && ["moment", "greeting"].includes(factsOf(kind).is);

/** @param {{ kind: string }} event @param {KindFacts["step"]} step */
export const isStep = ({ kind }, step) => factsOf(kind).step === step;

/** @param {{ kind: string }} event */
export const isDeployment = ({ kind }) => factsOf(kind).is === "deployment";

/** The label of an event in a journey. @param {AnyEvent} event */
export function nameOf(event) {
  if (isPing(event)) return agentName(event);
  return factsOf(event.kind).name?.(event) ?? (ownName(event) || kindWords(event.kind));
}

/**
 * The family of a kind. For example, `check_run` and `workflow_job` belong to one family, because both kinds
 * report on a job.
 *
 * @param {string} kind
 */
export function familyOf(kind) {
  const { is } = factsOf(kind);
  return is === "job" || is === "deployment" ? is : kind;
}

/** Whether an event is a ping from an agent, not a notice from the gateway. @param {AnyEvent} event */
export const isBeat = (event) => isPing(event) && event.kind === "ping";

/** Whether an event is the gateway's notice that an agent is lost. @param {{ kind: string }} event */
export const isLost = ({ kind }) => kind === "ping.lost";
