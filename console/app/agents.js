// The agents: who lives, on what, since when. Those that went silent stand first.

import { listAgents } from "../client/index.js";
import { fill, h, keyed, makeButton, on, setText } from "./dom.js";
import { isBeat } from "./kinds.js";
import { failureNote, icon, skeleton, taskLink, time } from "./look.js";
import { isFailure, isPing, word } from "./sets.js";
import { short } from "./time.js";

/**
 * As the gateway tells, with its times in milliseconds.
 *
 * @typedef {Omit<import("../client/types.js").Agent, "state" | "since" | "started"> & Row} Agent
 */
/**
 * @typedef {object} Row
 * @property {string} key
 * @property {string} where
 * @property {"working" | "idle" | "late" | "lost" | "stopped" | "replaced"} state
 * @property {number} since
 * @property {number} seen
 * @property {number} started
 */

const ORDER = ["lost", "late", "working", "idle", "stopped", "replaced"];
const EVERY_MS = 30_000;
/** How often at the most, while somebody looks at them: there may be thousands, and each pings. */
const SOON_MS = 5_000;
const AGAIN_MS = 1_500;
const SETTLE_MS = 400;
/** Clocks of agents differ. */
const SKEW_MS = 60_000;

/** @type {Record<string, string>} */
const SAYS = {
  lost: "Silent for more than 2.5 intervals",
  late: "Silent for more than 1.5 intervals",
  stopped: "Has said that it stopped",
  replaced: "Went silent; another of its name has been started since",
};

/** @param {import("../client/types.js").Agent} row @returns {Agent} */
const readAgent = (row) => ({
  ...row,
  key: `${row.agent}|${row.instance}`,
  where: [row.host, row.pid].filter(Boolean).join(":"),
  since: Date.parse(row.since),
  seen: Date.parse(row.last_seen),
  started: Date.parse(row.started ?? ""),
});

/**
 * In the order in which they need somebody to look.
 *
 * @param {import("../client/types.js").Agent[]} rows
 */
export function readAgents(rows) {
  const agents = rows.map(readAgent);
  /** @type {Map<string, number>} When the last one of this name was started. */
  const newest = new Map();
  for (const { agent, started } of agents) if (started > (newest.get(agent) ?? 0)) newest.set(agent, started);
  for (const agent of agents) {
    const next = newest.get(agent.agent) ?? 0;
    if (isSilent(agent) && next !== agent.started && next > agent.seen - SKEW_MS) agent.state = "replaced";
  }
  return agents.sort(
    (a, b) =>
      ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.agent.localeCompare(b.agent) || b.seen - a.seen,
  );
}

/** @param {Agent} agent */
const isSilent = ({ state }) => state === "lost" || state === "late";

/** Asks who there is: every half minute, and on the page soon after a ping came. Shared by the header and the page. */
export class Agents extends EventTarget {
  /** @type {Agent[]} */
  list = [];
  /** @type {"loading" | "ready" | "failed"} */
  state = "loading";
  /** @type {unknown} */
  error = null;
  #store;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #due = 0;
  #asking = false;
  #asked = 0;

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    super();
    this.#store = store;
    on(store, "events", (event) => {
      /** @type {import("./event.js").AnyEvent[]} */
      const events = event.detail.events;
      const pings = events.flatMap((one) => (isPing(one) && one.id !== null ? one : []));
      if (pings.length > 0)
        this.soon(
          SETTLE_MS,
          pings.some((ping) => !isBeat(ping)),
        );
    });
    on(document, "visibilitychange", () => this.soon(0));
    on(store, "state", () => {
      if (store.feed.state === "live") this.soon(0);
    });
  }

  /** @param {number} wait @param {boolean} [matters] More than that one lives. */
  soon(wait, matters = false) {
    const seen = matters || location.pathname.startsWith("/agents");
    const failed = this.state === "failed";
    const apart = document.hidden ? 4 * EVERY_MS : failed ? AGAIN_MS : seen ? SOON_MS : EVERY_MS;
    const now = Date.now();
    const at = Math.max(now + wait, this.#asked + apart);
    if (this.#timer !== undefined && this.#due <= at) return;
    clearTimeout(this.#timer);
    this.#due = at;
    this.#timer = setTimeout(() => void this.#ask(), at - now);
  }

  async #ask() {
    this.#timer = undefined;
    if (this.#asking) return this.soon(SETTLE_MS);
    this.#asking = true;
    this.#asked = Date.now();
    try {
      const rows = await listAgents({ token: this.#store.token });
      this.list = readAgents(rows);
      this.state = "ready";
    } catch (error) {
      this.state = "failed";
      this.error = error;
    }
    this.#asking = false;
    this.soon(EVERY_MS);
    this.dispatchEvent(new Event("change"));
  }

  /** How many need somebody to look. */
  get missing() {
    return this.list.filter(isSilent).length;
  }
}

/** So many that are no more are shown. */
const MOST_OVER = 50;
/** @param {Agent["state"]} state */
const isOver = (state) => state === "stopped" || state === "replaced";

export class AgentsPage {
  #context;
  #summary = h("p.summary.quiet");
  #body = h("tbody");
  #note = h("div.note");
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
      h("caption.offscreen", "Agents, the silent ones first"),
      h("thead", h("tr", ...head)),
      this.#body,
    );
    this.element = h(
      "div.page",
      h("div.page-head", h("h1", "Agents"), this.#summary),
      h("section.panel", this.#note, this.#table),
    );
    on(context.agents, "change", () => this.tick(Date.now()));
    on(this.#body, "click", (event) => {
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
    let over = 0;
    const list = agents.list.filter(({ state }) => !isOver(state) || ++over <= MOST_OVER);
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
    if (this.#note.dataset.version === version) return;
    this.#note.dataset.version = version;
    if (kind === "loading") fill(this.#note, skeleton());
    else if (kind === "failed")
      fill(this.#note, ...failureNote("The agents can't be read", agents.error, () => agents.soon(0)));
    else if (kind === "empty")
      fill(
        this.#note,
        h("p", "No agent has been heard of. An agent appears with its first heartbeat:"),
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
  const cells = ["state", "name", "task", "since", "seen", "where"];
  return h("tr", ...cells.map((name) => h(`td.${name}-of`)));
}

/** @param {HTMLElement} row @param {Agent} agent @param {number} now */
function update(row, agent, now) {
  const [state, name, task, since, seen, where] = /** @type {HTMLElement[]} */ ([...row.children]);
  if (!state || !name || !task || !since || !seen || !where) return;
  const version = JSON.stringify(agent);
  if (row.dataset.version !== version) {
    row.dataset.version = version;
    row.dataset.last = String(agent.last_id);
    row.className = `agent a-${agent.state}`;
    const failed = agent.state === "stopped" && agent.status && isFailure(agent.status) ? agent.status : null;
    fill(
      state,
      h(
        "span",
        { class: `status s-${failed ?? agent.state}`, title: SAYS[agent.state] },
        icon(failed ?? (agent.state === "replaced" ? "lost" : agent.state)),
        h("span.word", failed ? word(failed) : agent.state),
      ),
    );
    fill(
      name,
      makeButton("name", {}, h("bdi", agent.agent)),
      agent.role?.toLowerCase() !== agent.agent.toLowerCase() && h("span.quiet", h("bdi", agent.role)),
    );
    fill(task, taskLink(agent.vtid));
    fill(since, time(agent.since, ""));
    fill(seen, time(agent.seen, ""));
    fill(where, h("bdi", agent.where));
  }
  /** @param {HTMLElement} cell @param {string} text */
  const tell = (cell, text) => setText(/** @type {Element} */ (cell.firstElementChild), text);
  tell(since, short(now - agent.since));
  const every = agent.interval ? `, every ${agent.interval}s` : "";
  tell(seen, `${short(now - agent.seen)} ago${every}`);
}
