// The agents: who lives, on what, since when. Those that went silent stand first.

import { listAgents } from "../client/index.js";
import { fill, h, keyed, makeButton, setText } from "./dom.js";
import { icon, skeleton, taskLink, time } from "./look.js";
import { short } from "./time.js";

/**
 * As the gateway tells, but nothing is taken for granted.
 *
 * @typedef {object} Agent
 * @property {string} key
 * @property {string} name
 * @property {string} role
 * @property {string} where
 * @property {string} vtid
 * @property {"working" | "idle" | "late" | "lost" | "stopped"} state
 * @property {string} status
 * @property {number} since
 * @property {number} seen
 * @property {number | null} interval
 * @property {number} lastId
 */

const ORDER = ["lost", "late", "working", "idle", "stopped"];
const EVERY_MS = 30_000;
const SETTLE_MS = 400;

/** @type {Record<string, string>} */
const SAYS = {
  lost: "Silent for more than 2.5 intervals",
  late: "Silent for more than 1.5 intervals",
  working: "Works on a task",
  idle: "Waits for a task",
  stopped: "Has said that it stopped",
};

/** @param {import("../client/types.js").Agent} row @returns {Agent} */
const readAgent = (row) => ({
  key: `${row.agent}|${row.instance}`,
  name: row.agent,
  role: row.role ?? "",
  where: [row.host, row.pid].filter(Boolean).join(":"),
  vtid: row.vtid,
  state: row.state,
  status: row.status ?? "",
  since: Date.parse(row.since),
  seen: Date.parse(row.last_seen),
  interval: row.interval,
  lastId: row.last_id,
});

/** Asks who there is: every half minute, and soon after a ping came. Shared by the header and the page. */
export class Agents extends EventTarget {
  /** @type {Agent[]} */
  list = [];
  /** @type {"loading" | "ready" | "failed"} */
  state = "loading";
  error = "";
  #store;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #due = 0;
  #asking = false;

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    super();
    this.#store = store;
    store.addEventListener("events", (event) => {
      const { events } = /** @type {CustomEvent} */ (event).detail;
      if (
        events.some(
          (/** @type {import("./runs.js").AnyEvent} */ one) => one.source === "agent.ping" && one.id !== null,
        )
      )
        this.soon(SETTLE_MS);
    });
    store.addEventListener("state", () => {
      if (store.feed.state === "live") this.soon(0);
    });
  }

  /** @param {number} wait */
  soon(wait) {
    const at = Date.now() + wait;
    if (this.#timer !== undefined && this.#due <= at) return;
    clearTimeout(this.#timer);
    this.#due = at;
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }

  async #ask() {
    this.#timer = undefined;
    if (this.#asking) return this.soon(SETTLE_MS);
    this.#asking = true;
    try {
      const rows = await listAgents({ token: this.#store.token });
      this.list = rows
        .map(readAgent)
        .sort(
          (a, b) =>
            ORDER.indexOf(a.state) - ORDER.indexOf(b.state) ||
            a.name.localeCompare(b.name) ||
            b.seen - a.seen,
        );
      this.state = "ready";
    } catch (error) {
      this.state = "failed";
      this.error = error instanceof Error ? error.message : "the query failed";
    }
    this.#asking = false;
    this.soon(document.hidden ? 4 * EVERY_MS : EVERY_MS);
    this.dispatchEvent(new Event("change"));
  }

  /** How many need somebody to look. */
  get missing() {
    return this.list.filter((agent) => agent.state === "lost" || agent.state === "late").length;
  }
}

/** Ended runs of an agent that are shown. */
const MOST_STOPPED = 50;

export class AgentsPage {
  #context;
  #summary = h("p", { class: "summary" });
  #body = h("tbody");
  #note = h("div", { class: "note" });
  #table;
  element;
  title = "Agents";

  /** @param {import("./main.js").Context} context */
  constructor(context) {
    this.#context = context;
    const head = ["State", "Agent", "Task", "Since", "Last seen", "Where"].map((name) =>
      h("th", { scope: "col" }, name),
    );
    this.#table = h(
      "table",
      { class: "agents" },
      h("caption", { class: "offscreen" }, "Agents, the silent ones first"),
      h("thead", {}, h("tr", {}, ...head)),
      this.#body,
    );
    this.element = h(
      "div",
      { class: "page" },
      h("div", { class: "page-head" }, h("h1", {}, "Agents"), this.#summary),
      h("section", { class: "panel" }, this.#note, this.#table),
    );
    context.agents.addEventListener("change", () => this.tick(Date.now()));
    this.#body.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      const row = /** @type {HTMLElement | null} */ (target.closest("tr"));
      const id = Number(row?.dataset.last);
      if (row && id > 0 && !target.closest("a")) context.openId(id);
    });
  }

  show() {
    this.#context.agents.soon(0);
    this.tick(Date.now());
  }

  /** @param {number} now */
  tick(now) {
    const { agents } = this.#context;
    let stopped = 0;
    const list = agents.list.filter((agent) => agent.state !== "stopped" || ++stopped <= MOST_STOPPED);
    const counts = ORDER.map((state) => [
      state,
      agents.list.filter((agent) => agent.state === state).length,
    ]).filter(([, count]) => Number(count) > 0);
    setText(this.#summary, counts.map(([state, count]) => `${count} ${state}`).join(", "));
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
    if (this.#note.dataset.version === version) return;
    this.#note.dataset.version = version;
    const retry = makeButton("small", { onclick: () => agents.soon(0) }, "Try again");
    if (kind === "loading") fill(this.#note, skeleton());
    else if (kind === "failed")
      fill(this.#note, h("p", { role: "alert" }, `The agents can't be read: ${agents.error}.`), retry);
    else if (kind === "empty")
      fill(
        this.#note,
        h("p", {}, "No agent has been heard of. An agent appears with its first heartbeat:"),
        h(
          "pre",
          { tabindex: 0 },
          `GATEWAY_URL=${location.origin} INGEST_TOKEN=… heartbeat-agent --agent planner -- python planner.py`,
        ),
      );
    else fill(this.#note);
  }
}

function makeRow() {
  return h(
    "tr",
    {},
    h("td", { class: "state-of" }),
    h("td", { class: "name-of" }),
    h("td", { class: "task-of" }),
    h("td", { class: "since-of" }),
    h("td", { class: "seen-of" }),
    h("td", { class: "where-of" }),
  );
}

/** @param {HTMLElement} row @param {Agent} agent @param {number} now */
function update(row, agent, now) {
  const [state, name, task, since, seen, where] = /** @type {HTMLElement[]} */ ([...row.children]);
  if (!state || !name || !task || !since || !seen || !where) return;
  const version = JSON.stringify(agent);
  if (row.dataset.version !== version) {
    row.dataset.version = version;
    row.dataset.last = String(agent.lastId);
    row.className = `agent a-${agent.state}`;
    const badly = agent.state === "stopped" && agent.status === "failure";
    fill(
      state,
      h(
        "span",
        { class: `status s-${badly ? "failure" : agent.state}`, title: SAYS[agent.state] },
        icon(badly ? "failure" : agent.state),
        h("span", { class: "word" }, badly ? "failed" : agent.state),
      ),
    );
    fill(
      name,
      makeButton("name", {}, h("bdi", {}, agent.name)),
      agent.role.toLowerCase() !== agent.name.toLowerCase() &&
        h("span", { class: "quiet" }, h("bdi", {}, agent.role)),
    );
    fill(task, taskLink(agent.vtid));
    fill(since, time(agent.since, ""));
    fill(seen, time(agent.seen, ""));
    fill(where, h("bdi", {}, agent.where));
  }
  /** @param {HTMLElement} cell @param {string} text */
  const tell = (cell, text) => setText(/** @type {Element} */ (cell.firstElementChild), text);
  tell(since, Number.isNaN(agent.since) ? "unknown" : short(now - agent.since));
  tell(
    seen,
    Number.isNaN(agent.seen)
      ? "unknown"
      : `${short(now - agent.seen)} ago${agent.interval ? `, every ${agent.interval}s` : ""}`,
  );
}
