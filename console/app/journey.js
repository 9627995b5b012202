// A task's way from its first commit to its deployment: lanes of bars and points on one axis. Pure.

import { isActive } from "./groups.js";
import { attemptOf, runKey } from "./run.js";

/** @typedef {import("./runs.js").AnyEvent} AnyEvent */
/** @typedef {"code" | "checks" | "deploys" | "agents" | "events"} LaneName */

/**
 * @typedef {object} Item
 * @property {string} key
 * @property {LaneName} lane
 * @property {string} name
 * @property {AnyEvent} event The last of it.
 * @property {number} from
 * @property {number | null} began When it left the queue, where that is known.
 * @property {number | null} to Null while it goes on.
 * @property {boolean} point It happened at once.
 * @property {number} attempt
 */

/** @typedef {{ name: string, at: number, event: AnyEvent, gap: number | null }} Milestone */

/** An agent that pings at least so often works without a break. */
const BREAK_MS = 5 * 60_000;

/** @param {AnyEvent} event @returns {LaneName} */
export function laneOf(event) {
  if (event.source === "agent.ping") return "agents";
  if (event.source === "gcp.deploy" || /^(deploy|release)/.test(event.kind)) return "deploys";
  if (/^(workflow|check)_/.test(event.kind)) return "checks";
  if (/^(push|create|delete|pull_request)$/.test(event.kind)) return "code";
  return "events";
}

/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value : "");

/** @param {AnyEvent} event */
function nameOf(event) {
  const { meta = {}, kind } = event;
  if (event.source === "agent.ping") return text(meta.agent) || event.module.toLowerCase();
  if (kind === "pull_request") {
    const number = /\/pull\/([0-9]+)/.exec(event.link ?? "")?.[1];
    const what =
      event.status === "success"
        ? "merged"
        : event.status === "cancelled"
          ? "closed"
          : text(meta.action).replaceAll("_", " ");
    return `PR ${number ? `#${number}` : ""} ${what}`.replace(/ +/g, " ").trim();
  }
  if (kind === "push") return `push ${text(meta.sha).slice(0, 7)}`.trim();
  if (kind === "release") return text(meta.tag) || kind;
  return text(meta.name) || text(meta.service) || text(meta.environment) || kind.replaceAll("_", " ");
}

/** @param {AnyEvent} event */
const timeOf = (event) => Date.parse(event.ts);

/**
 * @param {readonly AnyEvent[]} events In any order.
 * @param {number} now
 * @returns {Item[]} In order of their beginning.
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
    else if (lane === "code" || event.kind === "release" || (lane === "events" && !isRun(event, open))) {
      items.push({
        key: `${event.id}`,
        lane,
        name: nameOf(event),
        event,
        from: at,
        began: at,
        to: at,
        point: true,
        attempt: 0,
      });
    } else takeRun(items, open, event, at, lane);
  }
  for (const item of items) {
    // A ping is a promise for a while only.
    if (item.lane === "agents" && item.to === null && now - timeOf(item.event) > BREAK_MS)
      item.to = timeOf(item.event);
  }
  return items.sort((a, b) => a.from - b.from || (a.key < b.key ? -1 : 1));
}

/** @param {AnyEvent} event @param {Map<string, Item>} open */
const isRun = (event, open) => isActive(event.status) || open.has(runKey(event) ?? "");

/** @param {Item[]} items @param {Map<string, Item>} open @param {AnyEvent} event @param {number} at @param {LaneName} lane */
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
    item = {
      key: `${key}|${event.id}`,
      lane,
      name: nameOf(event),
      event,
      from: at,
      began: null,
      to: null,
      point: false,
      attempt,
    };
    open.set(key, item);
    items.push(item);
  }
  item.event = event;
  if (event.meta) item.name = nameOf(event);
  if (event.status === "in_progress") item.began ??= at;
  if (!active) item.to = at;
}

/** @param {Item[]} items @param {Map<string, Item>} open @param {AnyEvent} event @param {number} at */
function takePing(items, open, event, at) {
  const key = `agent|${text(event.meta?.instance) || event.module}`;
  let item = open.get(key) ?? open.get(`agent|${event.module}`);
  const works = event.status === "in_progress";
  if (item && (item.to !== null || at - timeOf(item.event) > BREAK_MS)) {
    item.to ??= timeOf(item.event);
    item = undefined;
  }
  if (!item) {
    item = {
      key: `${key}|${event.id}`,
      lane: "agents",
      name: nameOf(event),
      event,
      from: at,
      began: at,
      to: works ? null : at,
      point: !works,
      attempt: 0,
    };
    open.set(key, item);
    open.set(`agent|${event.module}`, item);
    items.push(item);
    return;
  }
  item.event = event;
  if (!works) item.to = at;
}

/**
 * The steps of a task that people ask for, and how long lay between them.
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
  const closed = last(
    (item) =>
      item.event.kind === "pull_request" &&
      (item.event.status === "success" || item.event.status === "cancelled"),
  );
  const checks =
    last((item) => item.lane === "checks" && item.to !== null && item.event.kind === "workflow_run") ??
    last((item) => item.lane === "checks" && item.to !== null);
  const deploy = last((item) => item.lane === "deploys" && item.to !== null && !item.point);
  const ended = /** @type {Record<string, string>} */ ({
    success: "green",
    failure: "failed",
    cancelled: "cancelled",
  });
  /** @type {[string, Item | undefined][]} */
  const found = [
    ["First push", first((item) => item.event.kind === "push")],
    ["PR opened", first((item) => item.event.kind === "pull_request" && item !== closed)],
    [`Checks ${ended[checks?.event.status ?? ""] ?? "done"}`, checks],
    [closed?.event.status === "cancelled" ? "PR closed" : "Merged", closed],
    [
      deploy?.event.status === "success"
        ? "Deployed"
        : `Deploy ${ended[deploy?.event.status ?? ""] ?? "done"}`,
      deploy,
    ],
    ["Released", last((item) => item.event.kind === "release")],
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
