// What runs: many events of one run become one row. Pure: the time is passed in.

/** @typedef {import("../client/types.js").OasisEvent} OasisEvent */
/** @typedef {import("../client/types.js").StoredEvent} StoredEvent */
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

/** A run that says nothing for so long is forgotten: its end was missed. */
export const SILENT_MS = 6 * 3_600_000;
/** A failure that nobody cared for is no longer a recent one. */
export const RECENT_MS = 24 * 3_600_000;
const MOST_RUNS = 5_000;

/** @type {Record<string, string>} */
const FAMILIES = { workflow_job: "job", check_run: "job", deployment_status: "deployment" };

/** @param {string} status */
export const isActive = (status) => status === "queued" || status === "in_progress";

/** @param {string} vtid */
const isTask = (vtid) => vtid !== "UNSET" && vtid !== "IDLE" && vtid !== "";

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

/** @param {string} status */
const rank = (status) => (status === "queued" ? 0 : status === "in_progress" ? 1 : 2);

/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value.slice(0, 300) : "");

export class Runs {
  /** @type {Map<string, Run>} The one that was heard of last stands last. */
  byKey = new Map();
  /** @type {Set<string>} What runs, waits, or has failed: the few of which a page shows rows. */
  #shown = new Set();
  /** @type {Map<string, number>} When something of this module, kind and task last succeeded. */
  #green = new Map();

  clear() {
    this.byKey.clear();
    this.#shown.clear();
    this.#green.clear();
  }

  /**
   * @param {AnyEvent} event
   * @returns {Run | null} The run, if this event changed its state.
   */
  take(event) {
    const key = runKey(event);
    if (key === null) return null;
    const at = Date.parse(event.ts);
    if (Number.isNaN(at)) return null;
    const attempt = attemptOf(event);
    const seenAt = event.receivedAt ?? Date.parse(event.recorded_at ?? event.ts);
    const run = this.byKey.get(key);
    if (event.status === "success" && isTask(event.vtid)) this.#succeeded(event, at);
    if (!run) {
      const made = begin(key, event, attempt, at, seenAt);
      this.#keep(made);
      return made;
    }
    learn(run, event);
    run.seenAt = Math.max(run.seenAt, seenAt);
    if (!isLater(run, event, attempt, at)) {
      // It came late, but may say when this attempt was queued or began.
      if (attempt === run.attempt && isActive(event.status) && at > run.after) times(run, event.status, at);
      return null;
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
    this.byKey.delete(key);
    this.#keep(run);
    return run;
  }

  /**
   * What the run of an event calls itself; empty while that is not known.
   *
   * @param {AnyEvent} event
   */
  nameOf(event) {
    if (event.source === "gcp.deploy") return "";
    return text(event.meta?.name) || (this.byKey.get(runKey(event) ?? "")?.name ?? "");
  }

  /** What an event says of a run beside its state. @param {AnyEvent} event */
  learn(event) {
    const run = this.byKey.get(runKey(event) ?? "");
    if (run && (run.event.id === event.id || attemptOf(event) === run.attempt)) learn(run, event);
  }

  /** @param {AnyEvent} event @param {number} at */
  #succeeded(event, at) {
    const key = `${event.module}|${event.kind}|${event.vtid}`;
    this.#green.delete(key);
    this.#green.set(key, at);
    if (this.#green.size > MOST_RUNS)
      for (const oldest of this.#green.keys()) return void this.#green.delete(oldest);
  }

  /** @param {Run} run */
  #keep(run) {
    this.byKey.set(run.key, run);
    if (isActive(run.status) || run.status === "failure") this.#shown.add(run.key);
    else this.#shown.delete(run.key);
    if (this.byKey.size <= MOST_RUNS) return;
    for (const key of this.byKey.keys()) {
      this.byKey.delete(key);
      this.#shown.delete(key);
      return;
    }
  }

  /** @returns {Run[]} */
  #all() {
    return [...this.#shown].flatMap((key) => this.byKey.get(key) ?? []);
  }

  /**
   * What runs or waits: what began last is first, and what waits stands below what runs.
   *
   * @param {number} now
   */
  active(now) {
    const active = this.#all().filter((run) => isActive(run.status) && now - run.seenAt < SILENT_MS);
    return active.sort(
      (a, b) => rank(b.status) - rank(a.status) || since(b) - since(a) || (a.key < b.key ? -1 : 1),
    );
  }

  /**
   * What has failed and has not become green: the latest first.
   *
   * @param {number} now
   * @param {ReadonlySet<string>} dismissed Names of failures, as failureName() makes them.
   */
  failures(now, dismissed) {
    return this.#all()
      .filter(
        (run) =>
          run.status === "failure" &&
          now - run.seenAt < RECENT_MS &&
          !this.isGreen(run) &&
          !dismissed.has(failureName(run)),
      )
      .sort((a, b) => b.at - a.at || (b.event.id ?? 0) - (a.event.id ?? 0));
  }

  /** Whether the same module and kind have succeeded for the same task since. @param {Run} run */
  isGreen(run) {
    const { module, kind, vtid } = run.event;
    return (this.#green.get(`${module}|${kind}|${vtid}`) ?? Number.NEGATIVE_INFINITY) > run.at;
  }
}

/** This failure of the run, not its next. @param {Run} run */
export const failureName = (run) => `${run.key}|${run.attempt}|${run.at}`;

/** @param {Run} run */
const since = (run) => run.startedAt ?? run.queuedAt ?? run.at;

/**
 * @param {string} key
 * @param {AnyEvent} event
 * @param {number} attempt
 * @param {number} at
 * @param {number} seenAt
 * @returns {Run}
 */
function begin(key, event, attempt, at, seenAt) {
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
    after: Number.NEGATIVE_INFINITY,
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
function learn(run, event) {
  const { meta } = event;
  if (!meta) return;
  run.metaOf = event.id ?? 0;
  run.name = text(meta.name) || text(meta.service) || text(meta.environment) || run.name;
  run.about = text(meta.title) || run.about;
  run.branch = text(meta.branch) || run.branch;
}
