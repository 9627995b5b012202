// Reads the list of agents from the query API every half minute. The list is read sooner after the gateway
// reports a lost or returned agent, and after any ping while the agents page is open.

import { listAgents } from "../client/query.js";
import { GATEWAY, pathOf } from "./address.js";
import { on } from "./dom.js";
import { isBeat } from "./kinds.js";
import { isPing, phaseOf } from "./sets.js";

/**
 * A silent agent counts as replaced once another agent with the same name has started.
 *
 * @typedef {import("../client/types.js").Agent["state"] | "replaced"} State
 */

/**
 * An agent as the gateway lists it. A simulated agent has no room.
 *
 * @typedef {import("../client/types.js").Agent} Complete
 * @typedef {Omit<Complete, "room"> & Partial<Pick<Complete, "room">>} Listed
 */

/**
 * An agent as the gateway lists it, with times in milliseconds.
 *
 * @typedef {Omit<Listed, "state" | "since" | "started"> & Row} Agent
 */
/**
 * @typedef {object} Row
 * @property {string} key
 * @property {string} where
 * @property {State} state
 * @property {number} since
 * @property {number} seen
 * @property {number} started
 * @property {import("./event.js").AnyEvent} [event] The last ping of a simulated agent.
 */

const EVERY_MS = 30_000;
/** The minimum time between two urgent reads. Without a minimum, every ping could cause a read. */
const SOON_MS = 5_000;
const AGAIN_MS = 1_500;
const SETTLE_MS = 400;
/** The assumed maximum difference between the clocks of two agents. */
const SKEW_MS = 60_000;

/**
 * The states in order of urgency: silent agents need attention, ended agents do not.
 *
 * @type {Record<State, { hint: string | null, is: "silent" | "alive" | "ended" }>}
 */
const STATES = {
  lost: { hint: "The agent has been silent for more than 2.5 intervals", is: "silent" },
  late: { hint: "The agent has been silent for more than 1.5 intervals", is: "silent" },
  working: { hint: null, is: "alive" },
  idle: { hint: null, is: "alive" },
  stopped: { hint: "The agent reported that it stopped", is: "ended" },
  replaced: { hint: "The agent went silent, and another agent with this name has started", is: "ended" },
};

export const ORDER = /** @type {State[]} */ (Object.keys(STATES));

/** An unknown state, from a newer gateway, counts as idle. @param {Agent} agent */
export const factsOf = ({ state }) => STATES[state] ?? STATES.idle;

/** @param {Agent} agent */
const isSilent = (agent) => factsOf(agent).is === "silent";

/** @param {Listed} row @returns {Agent} */
const readAgent = (row) => ({
  ...row,
  key: `${row.agent}|${row.instance}`,
  where: [row.host, row.pid].filter(Boolean).join(":"),
  since: Date.parse(row.since),
  seen: Date.parse(row.last_seen),
  started: Date.parse(row.started ?? ""),
  room: /^[\w.-]{1,128}$/.test(row.room ?? "") ? row.room : null,
});

/**
 * Marks the replaced agents, and sorts all agents by urgency and then by name.
 *
 * @param {Listed[]} rows
 */
export function readAgents(rows) {
  const agents = rows.map(readAgent);
  /** @type {Map<string, number>} For each name, the latest start of an agent with that name. */
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

/**
 * The agents of the simulated pings. The gateway does not list these agents.
 *
 * @param {readonly import("./event.js").AnyEvent[]} events Oldest first.
 * @returns {Agent[]}
 */
export function simulatedAgents(events) {
  /** @type {Map<string, Agent>} */
  const agents = new Map();
  for (const event of events) {
    if (event.id !== null || !isBeat(event)) continue;
    const { module, vtid, layer, ts } = event;
    const state = phaseOf(event.status) === "runs" ? "working" : "idle";
    const known = agents.get(module);
    const isSame = known?.state === state && known.vtid === vtid;
    const [agent] = readAgents([
      {
        agent: module.toLowerCase(),
        role: null,
        instance: "",
        host: "simulated",
        pid: null,
        started: null,
        module,
        vtid,
        layer,
        state,
        status: null,
        since: isSame ? new Date(known.since).toISOString() : ts,
        last_seen: ts,
        interval: null,
        last_id: 0,
      },
    ]);
    if (agent) agents.set(module, { ...agent, event });
  }
  return [...agents.values()];
}

/** The list of agents, shared by the header and the agents page. */
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
      if (events.some((one) => one.id === null && isBeat(one))) this.#simulate();
      const pings = events.flatMap((one) => (isPing(one) && one.id !== null ? one : []));
      if (pings.length > 0)
        this.soon(
          SETTLE_MS,
          pings.some((ping) => !isBeat(ping)),
        );
    });
    on(store, "reset", () => {
      this.list = [];
      this.soon(0);
    });
    on(document, "visibilitychange", () => this.soon(0));
    on(store, "state", () => {
      if (store.feed.state === "live") this.soon(0);
    });
  }

  /**
   * Schedules a read. If a read is already scheduled for an earlier time, keeps that read.
   *
   * @param {number} wait
   * @param {boolean} [urgent] Whether the gateway has reported a lost or returned agent.
   */
  soon(wait, urgent = false) {
    const isUrgent = urgent || pathOf(location.pathname).startsWith("/agents");
    const failed = this.state === "failed";
    const interval = document.hidden ? 4 * EVERY_MS : failed ? AGAIN_MS : isUrgent ? SOON_MS : EVERY_MS;
    const now = Date.now();
    const at = Math.max(now + wait, this.#asked + interval);
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
      const rows = await listAgents({ url: GATEWAY, token: this.#store.token });
      // While no event is stored, the gateway lists no agent.
      this.list = rows.length > 0 ? readAgents(rows) : simulatedAgents(this.#store.events);
      this.state = "ready";
    } catch (error) {
      this.state = "failed";
      this.error = error;
    }
    this.#asking = false;
    this.soon(EVERY_MS);
    this.dispatchEvent(new Event("change"));
  }

  /** Lists the agents of the simulated events. */
  #simulate() {
    this.list = simulatedAgents(this.#store.events);
    this.state = "ready";
    this.dispatchEvent(new Event("change"));
  }

  /** Whether the list shows simulated agents. */
  get isSimulated() {
    return this.list.some((agent) => agent.event);
  }

  /** The number of late and lost agents. */
  get missing() {
    return this.list.filter(isSilent).length;
  }
}
