// The page of work without a task: how many runs, deploys and agents name their task, on which days, and
// which repositories, services and agents do not.

import { getJson } from "../../client/query.js";
import { address } from "../../client/wire.js";
import { GATEWAY } from "../address.js";
import { fill, h, makeButton, on } from "../dom.js";
import { failureNote, skeleton } from "../labels.js";
import { share, sum, toReport, WORK } from "./report.js";

/** @typedef {import("./report.js").Report} Report */

const CANON = "/api/v1/oasis/canon";
const PERIODS = [7, 30, 90];

/** @param {number} count @param {string} what */
const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

export class CanonPage {
  element;
  title = "Canon";
  #context;
  #days = 30;
  /** @type {AbortController | null} */
  #reading = null;
  #periods;
  #body = h("div.canon-body");

  /** @param {import("../router.js").Context} context */
  constructor(context) {
    this.#context = context;
    const choose = (/** @type {number} */ days) => {
      this.#days = days;
      void this.#read();
    };
    this.#periods = PERIODS.map((days) =>
      makeButton("switch", { "data-days": days, onclick: () => choose(days) }, `${days} days`),
    );
    this.element = h(
      "div.page",
      h(
        "div.page-head",
        h("div.title-line", h("h1", "Work without a task")),
        h("p.summary.quiet", "Runs, deploys and agents that name no VTID belong to no task."),
      ),
      h(
        "section.panel.canon",
        { "aria-label": "Report" },
        h("div.switches", { role: "group", "aria-label": "Period" }, ...this.#periods),
        this.#body,
      ),
    );
    on(this.#body, "click", (event) => {
      const id = /** @type {HTMLElement | null} */ (event.target)?.closest("button")?.dataset.event;
      if (id) context.openId(Number(id));
    });
  }

  show() {
    if (!this.#reading) void this.#read();
  }

  leave() {
    this.#reading?.abort();
    this.#reading = null;
  }

  tick() {}

  async #read() {
    this.leave();
    const control = new AbortController();
    const { signal } = control;
    this.#reading = control;
    for (const button of this.#periods)
      button.ariaPressed = String(button.dataset.days === String(this.#days));
    if (!this.#body.hasChildNodes()) fill(this.#body, skeleton());
    try {
      const target = address(GATEWAY, CANON, { days: this.#days });
      const { body } = await getJson(target, this.#context.store.token, { signal });
      if (!signal.aborted) this.#draw(toReport(body));
    } catch (error) {
      if (signal.aborted) return;
      fill(this.#body, ...failureNote("The report can't be read", error, () => void this.#read()));
    }
  }

  /** @param {Report} report */
  #draw(report) {
    if (sum(report.counts).total === 0) {
      const words = `No run or deploy has ended in ${plural(report.days, "day")}, and no agent has pinged.`;
      fill(this.#body, h("p.note.quiet", words));
      return;
    }
    const facts = Object.entries(WORK).map(([key, name]) => {
      const count = report.counts[/** @type {import("./report.js").Work} */ (key)];
      const words = `${share(count)} name a task; ${count.without} of ${count.total} do not`;
      return h("div.field", h("dt", name), h("dd", count.total === 0 ? "none" : words));
    });
    fill(
      this.#body,
      report.complete ? "" : h("p.quiet.note", "Only the newest events of this period are counted."),
      h("dl.facts", ...facts),
      trend(report),
      worst(report),
    );
  }
}

/** A bar for each day: its height is the share of work that names its task. @param {Report} report */
function trend({ trend }) {
  const bars = trend.map(({ day, counts }) => {
    const count = sum(counts);
    const height = Math.round(((count.total - count.without) / Math.max(count.total, 1)) * 100);
    const words = `${day}: ${share(count)} of ${count.total} name a task`;
    const bar = h("li", { title: words }, h("span.offscreen", words));
    bar.style.setProperty("--share", `${height}%`);
    return bar;
  });
  return h("ol.trend", { "aria-label": "Share of work that names a task, by day" }, ...bars);
}

/** @param {Report} report */
function worst({ worst }) {
  if (worst.length === 0) return h("p.note", "All work of this period names a task.");
  const rows = worst.map(({ work, name, count, newest }) =>
    h(
      "tr",
      h("td", WORK[work]),
      h("td", name),
      h("td", `${count.without} of ${work === "agents" ? plural(count.total, "ping") : count.total}`),
      h("td", newest === null ? "" : makeButton("link", { "data-event": newest }, "Newest event")),
    ),
  );
  const heads = ["Work", "Repository, service or agent", "Without a task", ""];
  return h(
    "table.agents",
    h("caption.offscreen", "Producers with the most work without a task"),
    h("thead", h("tr", ...heads.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", ...rows),
  );
}
