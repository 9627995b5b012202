// The properties of each status and of each source of events.
//
// If a value is added to the type `Status` or `Source`, the type checker reports each table that lacks this
// value.

/** @typedef {import("../client/types.js").Status} Status */
/** @typedef {import("../client/types.js").Source} Source */

/** @typedef {"waits" | "runs" | "ended"} Phase */
/** @typedef {"code" | "checks" | "deploys" | "agents" | "events"} Lane */

/**
 * The statuses, in the order in which the filter menu lists them.
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
 * The entry for a status. An unknown status, from a newer gateway, counts as `info`.
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

/** The rank of each phase: a later phase has a higher rank. @type {Record<Phase, number>} */
const RANKS = { waits: 0, runs: 1, ended: 2 };

/** @param {Status} status */
export const rank = (status) => RANKS[phaseOf(status)];

/** Whether a run with this status waits or runs. @param {Status} status */
export const isActive = (status) => phaseOf(status) !== "ended";

/** @param {Status} status */
export const isFailure = (status) => ofStatus(STATUS, status).outcome === "bad";

/** @param {Status} status */
export const isSuccess = (status) => ofStatus(STATUS, status).outcome === "good";

/**
 * @typedef {object} SourceFacts
 * @property {string} name
 * @property {Lane | null} lane The lane of the source's events in a journey; null if the kind decides.
 * @property {boolean} isGitHub Whether the events have GitHub's kinds. Some kinds are never part of a run.
 * @property {boolean} isNamedByLink Whether the link of a run already contains the run's name.
 */

/** @type {Record<Source, SourceFacts>} */
const SOURCE = {
  "oasis.events": { name: "Event", lane: null, isGitHub: false, isNamedByLink: false },
  "github.actions": { name: "GitHub", lane: null, isGitHub: true, isNamedByLink: false },
  "gcp.deploy": { name: "Cloud Run", lane: "deploys", isGitHub: false, isNamedByLink: true },
  "agent.ping": { name: "Agent", lane: "agents", isGitHub: false, isNamedByLink: false },
};

/** An unknown source, from a newer gateway, is shown unchanged. @param {Source} source */
export const sourceFacts = (source) =>
  Object.hasOwn(SOURCE, source) ? SOURCE[source] : { ...SOURCE["oasis.events"], name: source };

/** Whether an event reports on an agent. @param {{ source: Source }} event */
export const isPing = ({ source }) => sourceFacts(source).lane === "agents";

export const SOURCES = /** @type {Source[]} */ (Object.keys(SOURCE));

/** The sources of runs: all sources except the source of pings. */
export const RUNNING = SOURCES.filter((source) => !isPing({ source }));
