// The kinds of events that the page knows, in one table: GitHub's, Cloud Run's and the agents'. Any other kind is one that
// a caller of the gateway has made up: it stands for something that goes on. Pure.

import { agentName, metaText, ownName } from "./event.js";
import { pullNumber } from "./links.js";
import { isPing, ofStatus, sourceFacts } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./sets.js").Status} Status */
/** @typedef {import("./sets.js").Lane} Lane */

/**
 * - `moment`: it happens at once, and never runs or fails
 * - `run`: it has jobs and attempts
 * - `job`: one of a run
 * - `deployment`: its task names it, as its link may change on its way
 * - `work`: whatever else goes on and ends
 * - `greeting`: GitHub says that a webhook has been set up
 *
 * @typedef {"moment" | "run" | "job" | "deployment" | "work" | "greeting"} Nature
 */

/**
 * @typedef {object} KindFacts
 * @property {Lane} lane Where it stands in a task's journey.
 * @property {Nature} is
 * @property {"push" | "pull" | "release"} [step] The step of a task that it is.
 * @property {(event: AnyEvent) => string} [name] What it is called in a journey; else as a run calls itself.
 */

/** How a pull request may have ended: the word in its name, and the step. @type {Record<Status, [string, string] | null>} */
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

/** The step with which a pull request ended; null while it is open. @param {AnyEvent} event */
export const pullEndStep = (event) => (isStep(event, "pull") ? (pullEnd(event)?.[1] ?? null) : null);

/** @param {AnyEvent} event */
function pullName(event) {
  const what = pullEnd(event)?.[0] ?? metaText(event, "action").replaceAll("_", " ");
  return ["PR", pullNumber(event.link), what].filter(Boolean).join(" ");
}

/** The kind that tells of a run itself, and what those of its jobs have in common. */
export const RUN = "workflow_run";
export const JOB = "job";

/** @type {Record<string, KindFacts>} */
const KINDS = {
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

/** The lane of kinds that others have made up, by what they begin with. @type {[string, Lane][]} */
const BEGINNINGS = [
  ["workflow_", "checks"],
  ["check_", "checks"],
  ["deploy", "deploys"],
  ["release", "deploys"],
];

/** @param {string} kind @returns {KindFacts} */
function factsOf(kind) {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (known) return known;
  const lane = BEGINNINGS.find(([beginning]) => kind.startsWith(beginning))?.[1] ?? "events";
  return { lane, is: "work" };
}

/** The kind as people read it. @param {string} kind */
export const kindWords = (kind) => kind.replaceAll("_", " ");

/** @param {AnyEvent} event @returns {Lane} */
export const laneOf = (event) => sourceFacts(event.source).lane ?? factsOf(event.kind).lane;

/** Whether it is a point in a journey whatever its state. @param {{ kind: string }} event */
export const isMoment = ({ kind }) => factsOf(kind).is === "moment";

/** Whether it never makes a run. @param {AnyEvent} event */
export const isNoRun = ({ source, kind }) =>
  sourceFacts(source).isGitHub && ["moment", "greeting"].includes(factsOf(kind).is);

/** @param {{ kind: string }} event @param {KindFacts["step"]} step */
export const isStep = ({ kind }, step) => factsOf(kind).step === step;

/** @param {{ kind: string }} event */
export const isDeployment = ({ kind }) => factsOf(kind).is === "deployment";

/** What an event is called in a journey. @param {AnyEvent} event */
export function nameOf(event) {
  if (isPing(event)) return agentName(event);
  return factsOf(event.kind).name?.(event) ?? (ownName(event) || kindWords(event.kind));
}

/**
 * What the kinds have in common that tell of the same thing: `check_run` and `workflow_job` of a job.
 *
 * @param {string} kind
 */
export function familyOf(kind) {
  const { is } = factsOf(kind);
  return is === "job" || is === "deployment" ? is : kind;
}

/** Whether a ping only says how its agent is. @param {AnyEvent} event */
export const isBeat = (event) => isPing(event) && event.kind === "ping";

/** Whether the gateway says of an agent that it is lost. @param {{ kind: string }} event */
export const isLost = ({ kind }) => kind === "ping.lost";
