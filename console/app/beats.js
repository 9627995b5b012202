// Decides which pings get a row in a list of events: a ping that only repeats the agent's last ping gets
// none.

import { isBeat } from "./kinds.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/** The maximum number of agents. */
const MOST = 5_000;

/** The live pings that only repeat an agent's last ping. @type {WeakSet<AnyEvent>} */
const repeats = new WeakSet();

/**
 * Whether a ping only repeats the agent's last ping. In a stored ping, the sender says so.
 *
 * @param {AnyEvent} event
 */
const isRepeat = (event) => event.meta?.repeat === true || repeats.has(event);

/** The task and the status that a ping reports. @param {{ vtid: string, status: string }} ping */
const stateOf = ({ vtid, status }) => `${vtid}|${status}`;

/**
 * The statuses that an agent may have reported last, by its state. After a loss or a stop, every ping is
 * news.
 *
 * @type {Record<import("./agents.js").State, string[]>}
 */
const REPORTED = {
  working: ["in_progress"],
  idle: ["info"],
  late: ["in_progress", "info"],
  lost: [],
  stopped: [],
  replaced: [],
};

/**
 * Finds the live pings that only repeat an agent's last ping. A live ping contains neither its agent nor a
 * mark, so it is compared with the last pings of all agents of its module.
 */
export class Beats {
  /**
   * For each module, the number of its agents, and the states that these agents reported last.
   *
   * @type {Map<string, { agents: number, states: Set<string> }>}
   */
  #modules = new Map();
  /** @type {Map<string, { id: number, state: string }>} The last live ping of each module. */
  #last = new Map();

  /**
   * Takes the list of agents into account. A ping that is newer than the list still counts.
   *
   * @param {readonly Pick<import("./agents.js").Agent, "module" | "vtid" | "state" | "last_id">[]} agents
   */
  learn(agents) {
    this.#modules.clear();
    /** @type {Map<string, number>} */
    const newest = new Map();
    for (const { module, vtid, state, last_id } of agents) {
      newest.set(module, Math.max(last_id, newest.get(module) ?? 0));
      for (const status of REPORTED[state] ?? []) this.#note(module, stateOf({ vtid, status }), 0);
      const known = this.#modules.get(module);
      if (known && REPORTED[state]?.length) known.agents += 1;
    }
    for (const [module, { id, state }] of this.#last) {
      if (id > (newest.get(module) ?? 0)) this.#note(module, state, 1);
    }
  }

  /** Marks the live pings that only repeat an agent's last ping. @param {readonly AnyEvent[]} events */
  take(events) {
    for (const event of events) {
      if (!isBeat(event)) continue;
      const { module } = event;
      const state = stateOf(event);
      if (this.#modules.get(module)?.states.has(state)) repeats.add(event);
      this.#note(module, state, 1);
      if (this.#last.size > MOST) this.#last.clear();
      this.#last.set(module, { id: event.id ?? 0, state });
    }
  }

  /**
   * Notes the state that an agent of a module reported last. If the module has only one agent, this agent's
   * earlier state is over.
   *
   * @param {string} module
   * @param {string} state
   * @param {number} agents The number of agents if the module is unknown.
   */
  #note(module, state, agents) {
    const known = this.#modules.get(module);
    if (known && (known.agents > 1 || agents === 0)) known.states.add(state);
    else {
      if (this.#modules.size > MOST) this.#modules.clear();
      this.#modules.set(module, { agents, states: new Set([state]) });
    }
  }
}

/**
 * Makes a filter that drops a ping if the task and the status are the same as in the agent's previous ping.
 * The filter must be called with the events in order.
 *
 * @param {boolean} [all] Whether to keep every ping.
 * @returns {(event: AnyEvent) => boolean}
 */
export function beatFilter(all = false) {
  /** @type {Map<string, string>} */
  const last = new Map();
  return (event) => {
    if (all || !isBeat(event)) return true;
    const state = stateOf(event);
    const isSame = last.get(event.module) === state;
    if (last.size > MOST) last.clear();
    last.set(event.module, state);
    return !isSame && !isRepeat(event);
  };
}
