// Lists the recent failures and the active runs, with one row per run.

import { closest, fill, h, isNew, keyed, makeButton, on, panel, part, setText } from "./dom.js";
import { activeNames, failureNames, jobsSummary, rowMatches } from "./groups.js";
import { isLost, kindWords } from "./kinds.js";
import {
  failureNote,
  failureWord,
  icon,
  outLink,
  simulatedMark,
  skeleton,
  statusMark,
  taskLink,
  time,
} from "./labels.js";
import { describeLink } from "./links.js";
import { isPing, phaseOf } from "./sets.js";
import { duration, short } from "./time.js";

/** @typedef {import("./groups.js").Row} Row */
/** @typedef {import("./run.js").Run} Run */

/** The number of active runs that are shown at first. */
const MOST = 30;
/** The number of failures that are shown at first. More failures would push the active runs out of sight. */
const FEW = 6;
/** How many more rows a click shows. */
const STEP = 100;
/** The maximum number of failed jobs that a row names. */
const NAMED = 5;

/** @type {WeakMap<HTMLElement, Row>} The row that an element shows. */
const shown = new WeakMap();

export class Now {
  #context;
  #failures = h("ul.runs", { "aria-labelledby": "failures-title" });
  #active = h("ul.runs", { "aria-labelledby": "now-title" });
  #failuresCount = h("span.count");
  #activeCount = h("span.count");
  #simulated = simulatedMark();
  #failuresPart;
  #note = h("div.note");
  #moreFailures;
  #moreActive;
  /** @type {(event: import("./event.js").AnyEvent) => boolean} */
  #matches = () => true;
  #empty = h("p.quiet.pad");
  element;

  /**
   * @param {import("./router.js").Context} context
   * @param {() => void} changed
   */
  constructor(context, changed) {
    const { dismissed } = context;
    this.#context = context;
    this.#moreFailures = new More(FEW, changed);
    this.#moreActive = new More(MOST, changed);
    const onclick = () => dismissed.add(this.#failed(context.store.now()).flatMap(failureNames));
    this.#failuresPart = panel(
      "failures",
      "failures-title",
      ["Recent failures ", this.#failuresCount],
      makeButton("link", { onclick }, "Dismiss all"),
      this.#failures,
      this.#moreFailures.element,
    );
    this.element = h(
      "div.now",
      this.#failuresPart,
      panel(
        "active",
        "now-title",
        ["Now ", this.#activeCount],
        this.#simulated,
        this.#note,
        this.#active,
        this.#moreActive.element,
        this.#empty,
      ),
    );
    on(this.element, "click", (event) => {
      const element = closest(event, "li");
      const row = element && shown.get(element);
      if (!row || closest(event, "a")) return;
      if (closest(event, ".dismiss")) {
        const next = element.nextElementSibling ?? element.previousElementSibling;
        dismissed.add(element.closest(".failures") ? failureNames(row) : activeNames(row));
        if (next) part(next, ".dismiss").focus();
      } else context.open(row.state.event);
    });
  }

  /** @returns {import("./dom.js").Child[]} */
  #noteContent() {
    const { store } = this.#context;
    switch (store.seeded) {
      case "ready":
        return [];
      case "loading":
        return [skeleton()];
      case "failed": {
        const what = "Earlier runs can't be read";
        return failureNote(what, store.seedError, () => void store.seed());
      }
    }
  }

  /** @param {number} now */
  #failed(now) {
    const { store, dismissed } = this.#context;
    return store.runs.failures(now, dismissed.values).filter((row) => rowMatches(row, this.#matches));
  }

  /**
   * @param {number} now
   * @param {(event: import("./event.js").AnyEvent) => boolean} matches
   * @param {boolean} filtered
   */
  show(now, matches, filtered) {
    this.#matches = matches;
    const { store, dismissed } = this.#context;
    const { runs, seeded } = store;
    const failures = this.#failed(now);
    const active = runs.active(now, dismissed.values).filter((row) => rowMatches(row, matches));
    const rows = [this.#moreFailures.cut(failures), this.#moreActive.cut(active)];
    const shownActive = rows[1]?.length ?? 0;
    this.#failuresPart.hidden = failures.length === 0;
    setText(this.#failuresCount, failures.length);
    setText(
      this.#activeCount,
      active.length > shownActive ? `${shownActive} of ${active.length}` : active.length,
    );
    for (const [i, list] of [this.#failures, this.#active].entries())
      keyed(
        list,
        rows[i] ?? [],
        (row) => row.key,
        () => makeRow(i === 0),
        (element, row) => update(element, row, now),
      );
    this.#empty.hidden = active.length > 0 || seeded !== "ready";
    const suffix = filtered ? " that matches the filters" : "";
    const place = store.isSimulated ? " in the simulation" : "";
    setText(this.#empty, `Nothing${suffix} is running or queued${place}.`);
    this.#simulated.hidden = !store.isSimulated;
    if (this.#note.dataset.seeded !== seeded) {
      this.#note.dataset.seeded = seeded;
      fill(this.#note, ...this.#noteContent());
    }
    const inSight = rows.flat().flatMap(({ run, failed }) => [run, ...failed.slice(0, NAMED)]);
    store.learn([...inSight, ...runs.unsure]);
    return { failures: failures.length, active: active.length };
  }
}

/** The buttons below a list that show more rows of the list, and fewer rows again. */
class More {
  #few;
  #most;
  #more = makeButton("link.more", {});
  #less = makeButton("link.more", {}, "Show fewer");
  element = h("div", this.#more, this.#less);

  /** @param {number} few The number of rows at first. @param {() => void} changed */
  constructor(few, changed) {
    this.#few = this.#most = few;
    on(this.#more, "click", () => {
      this.#most += STEP;
      changed();
    });
    on(this.#less, "click", () => {
      this.#most = few;
      changed();
    });
  }

  /** Returns the rows to show. @template T @param {T[]} rows */
  cut(rows) {
    const left = rows.length - this.#most;
    this.#more.hidden = left <= 0;
    this.#less.hidden = rows.length <= this.#few || this.#most === this.#few;
    setText(this.#more, left > STEP ? `Show ${STEP} more` : `Show all ${rows.length}`);
    return rows.slice(0, this.#most);
  }
}

/** @param {boolean} failed */
function makeRow(failed) {
  const label = failed ? "Dismiss this failure" : "Dismiss this run until it reports again";
  const dismiss = makeButton("dismiss.tool", { "aria-label": label, title: label }, icon("close"));
  return h(
    "li",
    h("span.mark"),
    h("div.body", h("div.first", makeButton("name.clip", {}), h("span.link-out")), h("div.second")),
    h("div.times", h("span.run-time"), h("span.queue-time.quiet")),
    dismiss,
  );
}

/** @param {HTMLElement} element @param {Row} row @param {number} now */
function update(element, row, now) {
  shown.set(element, row);
  const { run, state, failed } = row;
  const { event } = state;
  const jobs = jobsSummary(row);
  const names = failed.slice(0, NAMED).map((job) => job.name);
  const version = [event.id, state.status, run.attempt, run.metaOf, jobs, ...names].join("|");
  if (isNew(element, version)) {
    element.className = `run s-${state.status}`;
    fill(part(element, ".mark"), statusMark(isLost(event) ? "lost" : state.status));
    const kind = isPing(event) ? `agent ${failureWord(event)}` : run.name && kindWords(run.event.kind);
    fill(
      part(element, ".name"),
      h("bdi", run.name || kindWords(run.event.kind)),
      (jobs || kind) &&
        h(
          "span",
          {
            class: failed.length > 0 && jobs ? "of bad" : "of",
            title: jobs && names.filter(Boolean).join(", "),
          },
          jobs || kind,
        ),
      run.attempt > 1 && h("span.of", `attempt ${run.attempt}`),
    );
    const about = run.about || run.branch || describeLink(event.link);
    fill(part(element, ".link-out"), outLink(event.link, `Open ${describeLink(event.link)}`));
    fill(
      part(element, ".second"),
      taskLink(run.event.vtid),
      h("span.about.clip", { title: about }, h("bdi", withoutTask(about, run.event.vtid))),
    );
  }
  showTimes(element, state, now);
}

/** @param {HTMLElement} element @param {Run} run @param {number} now */
function showTimes(element, run, now) {
  const ran = part(element, ".run-time");
  const { first, ended, second } = timesOf(run, now);
  if (ended !== null && ran.dataset.at !== String(ended)) {
    ran.dataset.at = String(ended);
    fill(ran, time(ended, ""));
  }
  setText(ended === null ? ran : /** @type {Element} */ (ran.firstElementChild), first);
  setText(part(element, ".queue-time"), second);
}

/**
 * The times that a row shows. For an active run, `first` is the run time so far, and `second` is the time in
 * the queue. For a run that ended at `ended`, `first` is the time since the end, and `second` the run time.
 *
 * @param {Run} run
 * @param {number} now
 * @returns {{ first: string, ended: number | null, second: string }}
 */
function timesOf({ status, at, queuedAt, startedAt, endedAt }, now) {
  switch (phaseOf(status)) {
    case "waits": {
      const waits = queuedAt === null ? "" : duration(now - queuedAt);
      return { first: "", ended: null, second: `queued ${waits}` };
    }
    case "runs": {
      const runs = startedAt === null ? "" : duration(now - startedAt);
      const isKnown = queuedAt !== null && startedAt !== null;
      return { first: runs, ended: null, second: isKnown ? `queued ${duration(startedAt - queuedAt)}` : "" };
    }
    case "ended": {
      const ended = endedAt ?? at;
      const from = startedAt ?? queuedAt;
      const took = from === null ? "" : `after ${duration(ended - from)}`;
      return { first: `${short(now - ended)} ago`, ended, second: took };
    }
  }
}

/**
 * Removes the task from a title, because the row already shows the task.
 *
 * @param {string} about
 * @param {string} vtid
 */
const withoutTask = (about, vtid) => about.replace(`[${vtid}]`, "").trim();
