// Keeps the latest runs, and makes a row for each run that is active or has failed. A run and its jobs share
// one row. Callers pass the current time.

import { agentName, isTask, metaText } from "./event.js";
import { failing, failureName, inOrder, running } from "./groups.js";
import { isNoRun } from "./kinds.js";
import { attemptOf, begin, follow, groupKey, isRunKey, learn, runKey } from "./run.js";
import { isFailure, isPing, isSuccess, sourceFacts } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./groups.js").Group} Group */
/** @typedef {import("./groups.js").Row} Row */

/** An active run disappears this long after its last event, because its end was probably missed. */
export const SILENT_MS = 6 * 3_600_000;
/** A failure is recent for this long. */
export const RECENT_MS = 24 * 3_600_000;
const MOST_RUNS = 5_000;
/** The number of runs that are dropped at once. Otherwise every new run would cause a search for old runs. */
const SLACK = 500;
const MOST_JOBS = 500;
/** The maximum number of combinations of module, kind and task whose last successes are kept. */
const MOST_GREEN = 1_000;
/** The number of successes that are kept for each combination. */
const GREEN_EACH = 8;

export class Runs {
  /** @type {Map<string, Run>} */
  byKey = new Map();
  /** @type {Map<string, Group>} The group with the newest event is last. */
  #groups = new Map();
  /** @type {Set<string>} The keys of the groups that are active or failed recently. Only these are shown. */
  #shown = new Set();
  /** @type {Map<string, { run: Run, at: number }[]>} The last successes, by module, kind and task. */
  #green = new Map();
  /** @type {Set<Run>} The runs with unknown names. These names decide whether a failure is fixed. */
  unsure = new Set();

  clear() {
    this.byKey.clear();
    this.#groups.clear();
    this.#shown.clear();
    this.#green.clear();
    this.unsure.clear();
  }

  /**
   * Adds an event.
   *
   * @param {AnyEvent} event
   * @returns {Row | null} The row of a new recent failure, once for each attempt of a run; otherwise null.
   */
  take(event) {
    const at = Date.parse(event.ts);
    if (Number.isNaN(at)) return null;
    const seenAt = event.receivedAt ?? Date.parse(event.recorded_at ?? event.ts);
    if (isPing(event)) return this.#ping(event, at, seenAt);
    const key = runKey(event);
    if (key === null || isNoRun(event)) return null;
    const attempt = attemptOf(event);
    const run = this.byKey.get(key);
    if (!run) {
      const made = begin(key, event, attempt, at, seenAt);
      this.#succeeded(made, event, at);
      return this.#keep(made);
    }
    this.#succeeded(run, event, at);
    learn(run, event);
    run.seenAt = Math.max(run.seenAt, seenAt);
    return follow(run, event, attempt, at) ? this.#keep(run) : null;
  }

  /**
   * Adds a ping. A lost or failed agent counts as a failure until an agent with the same name reports again.
   * Pings must be added in the order of their ids, not of their `ts`, because the clocks of agents differ.
   *
   * @param {AnyEvent} event
   * @param {number} at
   * @param {number} seenAt
   */
  #ping(event, at, seenAt) {
    const key = `agent|${event.module}`;
    // If an agent reports the same failure again, the failure counts once.
    const failed = isFailure(event.status);
    if (failed && event.kind === this.byKey.get(key)?.event.kind) return null;
    this.#drop(key);
    if (!failed) return null;
    const run = begin(key, event, 0, at, seenAt);
    run.name = agentName(event);
    run.metaOf = -1;
    return this.#keep(run);
  }

  /**
   * The name of an event's run; empty while the name is unknown.
   *
   * @param {AnyEvent} event
   */
  nameOf(event) {
    if (sourceFacts(event.source).isNamedByLink) return "";
    return metaText(event, "name") || (this.byKey.get(runKey(event) ?? "")?.name ?? "");
  }

  /** Sets the name, title and branch of a run from an event of the query API. @param {AnyEvent} event */
  learn(event) {
    const run = this.byKey.get(runKey(event) ?? "");
    if (run && (run.event.id === event.id || attemptOf(event) === run.attempt)) learn(run, event);
  }

  /** @param {Run} run @param {AnyEvent} event @param {number} at */
  #succeeded(run, event, at) {
    if (!isSuccess(event.status) || !isTask(event.vtid)) return;
    const key = greenKey(event);
    const last = this.#green.get(key) ?? [];
    this.#green.delete(key);
    this.#green.set(key, [{ run, at }, ...last].slice(0, GREEN_EACH));
    const [oldest = ""] = this.#green.keys();
    if (this.#green.size > MOST_GREEN) this.#green.delete(oldest);
  }

  /** @param {Run} run */
  #keep(run) {
    const key = groupKey(run.key);
    const group = this.#groups.get(key) ?? { key, run: null, jobs: new Map(), reported: 0 };
    this.#groups.delete(key);
    this.#groups.set(key, group);
    this.byKey.set(run.key, run);
    if (run.key === key) group.run = run;
    else {
      group.jobs.delete(run.key);
      group.jobs.set(run.key, run);
      if (group.jobs.size > MOST_JOBS) {
        const [oldest] = group.jobs.values();
        const dropped = [...group.jobs.values()].find((job) => !isFailure(job.status)) ?? oldest ?? run;
        group.jobs.delete(dropped.key);
        this.byKey.delete(dropped.key);
      }
    }
    const failed = failing(group, (_, one) => isWithin(RECENT_MS, one));
    if (failed || running(group, (one) => isWithin(SILENT_MS, one))) this.#shown.add(key);
    else this.#shown.delete(key);
    this.#bound();
    const row = isFailure(run.status) ? failed : null;
    // If the group has no attempts, each of its failures is reported.
    const attempt = isRunKey(key) ? row?.run.attempt || 1 : 0;
    if (!row || (attempt > 0 && attempt <= group.reported)) return null;
    group.reported = attempt;
    return row;
  }

  /** Drops the oldest groups if there are too many runs. Groups that are shown are dropped last. */
  #bound() {
    if (this.byKey.size <= MOST_RUNS) return;
    for (const shown of [false, true])
      for (const key of this.#groups.keys()) {
        if (this.byKey.size <= MOST_RUNS - SLACK) return;
        if (this.#shown.has(key) === shown) this.#drop(key);
      }
  }

  /** @param {string} key */
  #drop(key) {
    const group = this.#groups.get(key);
    if (!group) return;
    this.#groups.delete(key);
    this.#shown.delete(key);
    this.byKey.delete(key);
    for (const job of group.jobs.keys()) this.byKey.delete(job);
  }

  /**
   * @param {(group: Group) => Row | null} toRow
   * @returns {Row[]}
   */
  #rows(toRow) {
    return [...this.#shown].flatMap((key) => {
      const group = this.#groups.get(key);
      return (group && toRow(group)) ?? [];
    });
  }

  /**
   * The rows of the groups that run or wait and are not dismissed.
   *
   * @param {number} now
   * @param {ReadonlySet<string>} [dismissed] The names of active runs, from activeName().
   */
  active(now, dismissed) {
    const rows = this.#rows((group) => running(group, (one) => isWithin(SILENT_MS, one, now), dismissed));
    return rows.sort((a, b) => inOrder(a.state, b.state));
  }

  /**
   * The rows of recent failures that are neither fixed nor dismissed, newest first.
   *
   * @param {number} now
   * @param {ReadonlySet<string>} dismissed The names of failures, from failureName().
   */
  failures(now, dismissed) {
    this.unsure.clear();
    const rows = this.#rows((group) =>
      failing(
        group,
        (runOrJob, failed) =>
          isWithin(RECENT_MS, failed, now) &&
          !this.isGreen(runOrJob, failed.at) &&
          !dismissed.has(failureName(runOrJob)),
      ),
    );
    return rows.sort((a, b) => b.state.at - a.state.at || (b.state.event.id ?? 0) - (a.state.event.id ?? 0));
  }

  /**
   * Whether a failure is fixed: a later run of the same task, module and kind has succeeded. If the names of
   * both runs are known, they must also be equal, because the success of a lint workflow does not fix the
   * failure of a test workflow.
   *
   * @param {Run} run
   * @param {number} at The time of the failure.
   */
  isGreen(run, at) {
    const later = (this.#green.get(greenKey(run.event)) ?? []).filter((green) => green.at > at);
    for (const one of [run, ...later.map((green) => green.run)])
      if (later.length > 0 && one.metaOf === 0) this.unsure.add(one);
    return later.some((green) => !(green.run.name && run.name) || green.run.name === run.name);
  }
}

/**
 * Whether the state of a run both happened and arrived less than `ms` before `now`. An import or a replay
 * delivers states that happened long ago. Such a state is not within the time even when the state arrives.
 *
 * @param {number} ms
 * @param {Run} run
 */
const isWithin = (ms, { at, seenAt }, now = seenAt) => now - Math.min(at, seenAt) < ms;

/** @param {AnyEvent} event */
const greenKey = ({ module, kind, vtid }) => `${module}|${kind}|${vtid}`;
