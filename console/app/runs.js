// What runs and what has failed: a run and its jobs are one row. Pure: the time is passed in.

import { agentName, isTask, metaText } from "./event.js";
import { failing, failureName, inOrder, running } from "./groups.js";
import { isNoRun } from "./kinds.js";
import { attemptOf, begin, follow, groupKey, isRunKey, learn, runKey } from "./run.js";
import { isFailure, isPing, isSuccess, sourceFacts } from "./sets.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./groups.js").Group} Group */
/** @typedef {import("./groups.js").Row} Row */

/** A run that says nothing for so long is forgotten: its end was missed. */
export const SILENT_MS = 6 * 3_600_000;
/** A failure that nobody cared for is no longer a recent one. */
export const RECENT_MS = 24 * 3_600_000;
const MOST_RUNS = 5_000;
/** So many are dropped at a time, as looking for them takes a while. */
const SLACK = 500;
const MOST_JOBS = 500;
/** Tasks of which it is known what succeeded last, and of each so many. */
const MOST_GREEN = 1_000;
const GREEN_EACH = 8;

export class Runs {
  /** @type {Map<string, Run>} */
  byKey = new Map();
  /** @type {Map<string, Group>} The one that was heard of last stands last. */
  #groups = new Map();
  /** @type {Set<string>} Groups in which something runs, waits or has failed: only these are shown. */
  #shown = new Set();
  /** @type {Map<string, { run: Run, at: number }[]>} What of this module, kind and task succeeded last. */
  #green = new Map();
  /** @type {Set<Run>} Runs whose names decide whether a failure has become green. */
  unsure = new Set();

  clear() {
    this.byKey.clear();
    this.#groups.clear();
    this.#shown.clear();
    this.#green.clear();
    this.unsure.clear();
  }

  /**
   * @param {AnyEvent} event
   * @returns {Row | null} What has failed by it, once for each attempt of a run.
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
   * An agent that is lost or has failed is a failure until an agent of its name reports again. The order of
   * storage counts, because the clocks of agents differ.
   *
   * @param {AnyEvent} event
   * @param {number} at
   * @param {number} seenAt
   */
  #ping(event, at, seenAt) {
    const key = `agent|${event.module}`;
    // One that says again that it failed has failed once.
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
   * What the run of an event calls itself; empty while that is not known.
   *
   * @param {AnyEvent} event
   */
  nameOf(event) {
    if (sourceFacts(event.source).isNamedByLink) return "";
    return metaText(event, "name") || (this.byKey.get(runKey(event) ?? "")?.name ?? "");
  }

  /** What an event says of a run beside its state. @param {AnyEvent} event */
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
    const group = this.#groups.get(key) ?? { key, run: null, jobs: new Map(), told: 0 };
    this.#groups.delete(key);
    this.#groups.set(key, group);
    this.byKey.set(run.key, run);
    if (run.key === key) group.run = run;
    else {
      group.jobs.delete(run.key);
      group.jobs.set(run.key, run);
      if (group.jobs.size > MOST_JOBS) {
        const [oldest] = group.jobs.values();
        const out = [...group.jobs.values()].find((job) => !isFailure(job.status)) ?? oldest ?? run;
        group.jobs.delete(out.key);
        this.byKey.delete(out.key);
      }
    }
    const failed = failing(group, () => true);
    if (failed || running(group, () => true)) this.#shown.add(key);
    else this.#shown.delete(key);
    this.#bound();
    const row = isFailure(run.status) ? failed : null;
    // What has no attempts has failed anew.
    const attempt = isRunKey(key) ? row?.run.attempt || 1 : 0;
    if (!row || (attempt > 0 && attempt <= group.told)) return null;
    group.told = attempt;
    return row;
  }

  /** What is shown goes last. */
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
   * What runs or waits.
   *
   * @param {number} now
   */
  active(now) {
    const rows = this.#rows((group) => running(group, (seenAt) => now - seenAt < SILENT_MS));
    return rows.sort((a, b) => inOrder(a.state, b.state));
  }

  /**
   * What has failed and has not become green: the latest first.
   *
   * @param {number} now
   * @param {ReadonlySet<string>} dismissed Names of failures, as failureName() makes them.
   */
  failures(now, dismissed) {
    this.unsure.clear();
    const rows = this.#rows((group) =>
      failing(
        group,
        (decides, failed) =>
          now - failed.seenAt < RECENT_MS &&
          !this.isGreen(decides, failed.at) &&
          !dismissed.has(failureName(decides)),
      ),
    );
    return rows.sort((a, b) => b.state.at - a.state.at || (b.state.event.id ?? 0) - (a.state.event.id ?? 0));
  }

  /**
   * Whether the same thing has succeeded for the same task since. The module and the kind must be the same,
   * and the name once it is known: a workflow that lints says nothing about one that tests.
   *
   * @param {Run} run
   * @param {number} at
   */
  isGreen(run, at) {
    const later = (this.#green.get(greenKey(run.event)) ?? []).filter((green) => green.at > at);
    for (const one of [run, ...later.map((green) => green.run)])
      if (later.length > 0 && one.metaOf === 0) this.unsure.add(one);
    return later.some((green) => !(green.run.name && run.name) || green.run.name === run.name);
  }
}

/** @param {AnyEvent} event */
const greenKey = ({ module, kind, vtid }) => `${module}|${kind}|${vtid}`;
