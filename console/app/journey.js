// Turns the events of a task into its journey from the first commit to the deployment: bars and points in
// lanes.

import { keyOf, metaText } from "./event.js";
import { isMoment, isStep, laneOf, nameOf, pullEndStep, RUN } from "./kinds.js";
import { attemptOf, runKey } from "./run.js";
import { isActive, ofStatus, phaseOf } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./sets.js").Status} Status */
/** @typedef {import("./sets.js").Lane} Lane */

/**
 * @typedef {object} Item
 * @property {string} key
 * @property {Lane} lane
 * @property {string} name
 * @property {AnyEvent} event The last event of the item.
 * @property {number} from
 * @property {number | null} began When the item left the queue; null if unknown.
 * @property {number | null} to Null while the item runs.
 * @property {boolean} point Whether the item is a point in time instead of a bar.
 * @property {number} attempt
 */

/** @typedef {{ name: string, at: number, event: AnyEvent, gap: number | null }} Milestone */

/** An agent's bar ends if the agent sends no ping for longer than this. */
const BREAK_MS = 5 * 60_000;

/** @type {[string, string]} */
const DONE = ["Checks done", "Deploy done"];

/**
 * For each status, the names of two steps: the end of the checks, and the end of the deployment.
 *
 * @type {Record<Status, [string, string]>}
 */
const ENDS = {
  queued: DONE,
  in_progress: DONE,
  success: ["Checks green", "Deployed"],
  failure: ["Checks failed", "Deploy failed"],
  cancelled: ["Checks cancelled", "Deploy cancelled"],
  info: DONE,
};

/** @param {AnyEvent} event */
const timeOf = (event) => Date.parse(event.ts);

/**
 * @param {readonly AnyEvent[]} events In any order.
 * @param {number} now
 * @returns {Item[]} Sorted by start time.
 */
export function toItems(events, now) {
  const sorted = events
    .filter((event) => !Number.isNaN(timeOf(event)))
    .sort((a, b) => timeOf(a) - timeOf(b) || (a.id ?? 0) - (b.id ?? 0));
  /** @type {Item[]} */
  const items = [];
  /** @type {Map<string, Item>} */
  const open = new Map();
  for (const event of sorted) {
    const lane = laneOf(event);
    const at = timeOf(event);
    if (lane === "agents") takePing(items, open, event, at);
    else if (isMoment(event) || (lane === "events" && !isRun(event, open))) {
      const key = keyOf(event);
      items.push({ ...begin(key, event, at, lane), began: at, to: at, point: true });
    } else takeRun(items, open, event, at, lane);
  }
  for (const item of items) {
    // An agent that has sent no ping for longer than `BREAK_MS` no longer counts as working.
    if (item.lane === "agents" && item.to === null && now - timeOf(item.event) > BREAK_MS)
      item.to = timeOf(item.event);
  }
  return items.sort((a, b) => a.from - b.from || (a.key < b.key ? -1 : 1));
}

/** @param {string} key @param {AnyEvent} event @param {number} at @param {Lane} lane @returns {Item} */
const begin = (key, event, at, lane) => ({
  key,
  lane,
  name: nameOf(event),
  event,
  from: at,
  began: null,
  to: null,
  point: false,
  attempt: 0,
});

/** @param {AnyEvent} event @param {Map<string, Item>} open */
const isRun = (event, open) => isActive(event.status) || open.has(runKey(event) ?? "");

/**
 * @param {Item[]} items
 * @param {Map<string, Item>} open
 * @param {AnyEvent} event
 * @param {number} at
 * @param {Lane} lane
 */
function takeRun(items, open, event, at, lane) {
  const key = runKey(event) ?? "";
  const attempt = attemptOf(event);
  let item = open.get(key);
  const active = isActive(event.status);
  if (
    !item ||
    (attempt > 0 && item.attempt > 0 && attempt !== item.attempt) ||
    (item.to !== null && active)
  ) {
    item = { ...begin(`${key}|${keyOf(event)}`, event, at, lane), attempt };
    open.set(key, item);
    items.push(item);
  }
  item.event = event;
  if (event.meta) item.name = nameOf(event);
  if (phaseOf(event.status) === "runs") item.began ??= at;
  if (!active) item.to = at;
}

/** @param {Item[]} items @param {Map<string, Item>} open @param {AnyEvent} event @param {number} at */
function takePing(items, open, event, at) {
  const key = `agent|${metaText(event, "instance") || event.module}`;
  let item = open.get(key) ?? open.get(`agent|${event.module}`);
  const works = phaseOf(event.status) === "runs";
  if (item && (item.to !== null || at - timeOf(item.event) > BREAK_MS)) {
    item.to ??= timeOf(item.event);
    item = undefined;
  }
  if (!item) {
    item = begin(`${key}|${keyOf(event)}`, event, at, "agents");
    item.began = at;
    item.point = !works;
    item.to = works ? null : at;
    open.set(key, item);
    open.set(`agent|${event.module}`, item);
    items.push(item);
    return;
  }
  item.event = event;
  if (!works) item.to = at;
}

/**
 * Returns the main steps of a task, with the time between the steps.
 *
 * @param {readonly Item[]} items
 * @returns {Milestone[]}
 */
export function toMilestones(items) {
  /** @param {(item: Item) => boolean} is */
  const first = (is) => items.find(is);
  /** @param {(item: Item) => boolean} is */
  const last = (is) =>
    items
      .filter(is)
      .sort((a, b) => (a.to ?? 0) - (b.to ?? 0))
      .at(-1);
  /** @param {Item} item */
  const isEnded = (item) => item.to !== null;
  const closed = last((item) => pullEndStep(item.event) !== null);
  const checks =
    last((item) => item.lane === "checks" && isEnded(item) && item.event.kind === RUN) ??
    last((item) => item.lane === "checks" && isEnded(item));
  const deploy = last((item) => item.lane === "deploys" && isEnded(item) && !item.point);
  /** @param {Item | undefined} item */
  const ends = (item) => (item ? ofStatus(ENDS, item.event.status) : DONE);
  /** @type {[string, Item | undefined][]} */
  const found = [
    ["First push", first((item) => isStep(item.event, "push"))],
    ["PR opened", first((item) => isStep(item.event, "pull") && item !== closed)],
    [ends(checks)[0], checks],
    [(closed && pullEndStep(closed.event)) ?? "", closed],
    [ends(deploy)[1], deploy],
    ["Released", last((item) => isStep(item.event, "release"))],
  ];
  const steps = found.flatMap(([name, item]) =>
    item ? [{ name, at: item.to ?? item.from, event: item.event }] : [],
  );
  steps.sort((a, b) => a.at - b.at);
  return steps.map((step, i) => ({
    ...step,
    gap: i === 0 ? null : step.at - /** @type {{ at: number }} */ (steps[i - 1]).at,
  }));
}
