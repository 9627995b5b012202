// The closed sets of an event's fields, and what the page has to know of each of their values. Pure.
//
// A value that is added to one of the types is an error of types in each table that lacks it.

/** @typedef {import("../client/types.js").Status} Status */
/** @typedef {import("../client/types.js").Source} Source */

/** @typedef {"waits" | "runs" | "ended"} Phase */
/** @typedef {"code" | "checks" | "deploys" | "agents" | "events"} Lane */

/**
 * In the order in which the filter offers them.
 *
 * @type {Record<Status, { word: string, phase: Phase, outcome: "good" | "bad" | null }>}
 */
const STATUS = {
  queued: { word: "queued", phase: "waits", outcome: null },
  in_progress: { word: "running", phase: "runs", outcome: null },
  success: { word: "success", phase: "ended", outcome: "good" },
  failure: { word: "failed", phase: "ended", outcome: "bad" },
  cancelled: { word: "cancelled", phase: "ended", outcome: null },
  info: { word: "info", phase: "ended", outcome: null },
};

export const STATUSES = /** @type {Status[]} */ (Object.keys(STATUS));

/**
 * What a table says of a status. A newer gateway may send one that this page does not know: it is treated like `info`.
 *
 * @template T
 * @param {Record<Status, T>} table
 * @param {Status} status
 */
export const ofStatus = (table, status) => table[Object.hasOwn(table, status) ? status : "info"];

/** @param {Status} status */
export const word = (status) => STATUS[status]?.word ?? status;

/** @param {Status} status */
export const phaseOf = (status) => ofStatus(STATUS, status).phase;

/** The further a run has got, the higher. @type {Record<Phase, number>} */
const RANKS = { waits: 0, runs: 1, ended: 2 };

/** @param {Status} status */
export const rank = (status) => RANKS[phaseOf(status)];

/** @param {Status} status */
export const isActive = (status) => phaseOf(status) !== "ended";

/** @param {Status} status */
export const isFailure = (status) => ofStatus(STATUS, status).outcome === "bad";

/** @param {Status} status */
export const isSuccess = (status) => ofStatus(STATUS, status).outcome === "good";

/**
 * @typedef {object} SourceFacts
 * @property {string} name
 * @property {Lane | null} lane Where its events stand in a journey; null where their kind decides.
 * @property {boolean} isGitHub Its kinds are GitHub's, of which some never make a run.
 * @property {boolean} isNamedByLink The link of its runs already says what they are called.
 */

/** @type {Record<Source, SourceFacts>} */
const SOURCE = {
  "oasis.events": { name: "Event", lane: null, isGitHub: false, isNamedByLink: false },
  "github.actions": { name: "GitHub", lane: null, isGitHub: true, isNamedByLink: false },
  "gcp.deploy": { name: "Cloud Run", lane: "deploys", isGitHub: false, isNamedByLink: true },
  "agent.ping": { name: "Agent", lane: "agents", isGitHub: false, isNamedByLink: false },
};

/** A newer gateway may have a source that this page does not know. @param {Source} source */
export const sourceFacts = (source) =>
  Object.hasOwn(SOURCE, source) ? SOURCE[source] : { ...SOURCE["oasis.events"], name: source };

/** Whether it tells of an agent; all others tell of what runs. @param {{ source: Source }} event */
export const isPing = ({ source }) => sourceFacts(source).lane === "agents";

/** Sources of what runs: all but the agents, whose pings are many. */
export const RUNNING = /** @type {Source[]} */ (Object.keys(SOURCE)).filter((source) => !isPing({ source }));
