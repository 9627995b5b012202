// The agents page: one row per agent, with the agent's state, task and times. Silent agents come first.

import { factsOf, ORDER } from "./agents.js";
import { closest, fill, h, isNew, keyed, makeButton, on, setText } from "./dom.js";
import { howToStartAgent } from "./how-to-send.js";
import { failureNote, icon, roomLink, simulatedMark, skeleton, taskLink, time } from "./labels.js";
import { isFailure, word } from "./sets.js";
import { short } from "./time.js";

/** @typedef {import("./agents.js").Agent} Agent */

/** The number of stopped or replaced agents that are shown at first. */
const MOST_ENDED = 50;

export class AgentsPage {
  #context;
  #summary = h("p.summary.quiet");
  #body = h("tbody");
  #note = h("div.note");
  #simulated = simulatedMark();
  #more = makeButton("link.more", { hidden: true });
  #all = false;
  #table;
  element;
  title = "Agents";

  /** @param {import("./router.js").Context} context */
  constructor(context) {
    this.#context = context;
    const head = ["State", "Agent", "Task", "Since", "Last seen", "Where"].map((name) =>
      h("th", { scope: "col" }, name),
    );
    this.#table = h(
      "table.agents",
      h("caption.offscreen", "Agents, silent ones first"),
      h("thead", h("tr", ...head)),
      this.#body,
    );
    this.element = h(
      "div.page",
      h("div.page-head", h("div.title-line", h("h1", "Agents"), this.#simulated), this.#summary),
      h("section.panel", this.#note, this.#table, this.#more),
    );
    on(this.#more, "click", () => {
      this.#all = !this.#all;
      this.tick(context.store.now());
    });
    on(context.agents, "change", () => this.tick(context.store.now()));
    on(this.#body, "click", (event) => {
      const row = closest(event, "tr");
      const agent = context.agents.list.find((agent) => agent.key === row?.dataset.key);
      if (!agent || closest(event, "a")) return;
      if (agent.event) context.open(agent.event);
      else context.openId(agent.last_id);
    });
  }

  show() {
    this.#context.agents.soon(0);
    this.tick(this.#context.store.now());
  }

  /** @param {number} now */
  tick(now) {
    const { agents } = this.#context;
    let ended = 0;
    const list = agents.list.filter(
      (one) => factsOf(one).is !== "ended" || ++ended <= MOST_ENDED || this.#all,
    );
    this.#more.hidden = ended <= MOST_ENDED;
    setText(this.#more, this.#all ? "Show fewer" : `Show all ${agents.list.length}`);
    this.#simulated.hidden = !agents.isSimulated;
    const counts = ORDER.map(
      (state) => `${agents.list.filter((one) => one.state === state).length} ${state}`,
    );
    setText(this.#summary, counts.filter((text) => !text.startsWith("0 ")).join(", "));
    keyed(
      this.#body,
      list,
      (agent) => agent.key,
      () => makeRow(),
      (row, agent) => update(row, agent, now),
    );
    this.#table.hidden = list.length === 0;
    const kind =
      list.length > 0 && agents.state !== "failed" ? "" : agents.state === "ready" ? "empty" : agents.state;
    const version = `${kind}|${agents.error}`;
    if (!isNew(this.#note, version)) return;
    if (kind === "loading") fill(this.#note, skeleton());
    else if (kind === "failed")
      fill(this.#note, ...failureNote("The agent list can't be read", agents.error, () => agents.soon(0)));
    else if (kind === "empty") fill(this.#note, howToStartAgent());
    else fill(this.#note);
  }
}

function makeRow() {
  const cells = ["state", "name", "task", "since", "seen", "where"];
  return h("tr", ...cells.map((name) => h(`td.${name}-of`)));
}

/** @param {HTMLElement} row @param {Agent} agent @param {number} now */
function update(row, agent, now) {
  const [state, name, task, since, seen, where] = /** @type {HTMLElement[]} */ ([...row.children]);
  if (!state || !name || !task || !since || !seen || !where) return;
  const version = JSON.stringify(agent);
  if (isNew(row, version)) {
    row.className = `agent a-${agent.state}`;
    const failed = agent.state === "stopped" && agent.status && isFailure(agent.status) ? agent.status : null;
    fill(
      state,
      h(
        "span",
        { class: `status s-${failed ?? agent.state}`, title: factsOf(agent).hint },
        icon(failed ?? (agent.state === "replaced" ? "lost" : agent.state)),
        h("span.word", failed ? word(failed) : agent.state),
      ),
    );
    fill(
      name,
      makeButton("name", {}, h("bdi", agent.agent)),
      agent.role?.toLowerCase() !== agent.agent.toLowerCase() && h("span.quiet", h("bdi", agent.role)),
      agent.room && roomLink(agent.room, "log"),
    );
    fill(task, taskLink(agent.vtid));
    fill(since, time(agent.since, ""));
    fill(seen, time(agent.seen, ""));
    fill(where, h("bdi", agent.where));
  }
  /** @param {HTMLElement} cell @param {string} text */
  const setTime = (cell, text) => setText(/** @type {Element} */ (cell.firstElementChild), text);
  setTime(since, short(now - agent.since));
  const every = agent.interval ? `, every ${agent.interval}s` : "";
  setTime(seen, `${short(now - agent.seen)} ago${every}`);
}
