// Queries the events of the runs that were active or had failed before the page was opened.

import { RECENT_MS, SILENT_MS } from "./runs.js";
import { isActive, isFailure, isPing, RUNNING, STATUSES } from "./sets.js";

/** @typedef {import("../client/types.js").StoredEvent} StoredEvent */
/** @typedef {Awaited<ReturnType<typeof import("../client/index.js").queryEvents>>} Page */
/** @typedef {{ before?: number, limit?: number, since?: string }} Options */
/** @typedef {(filters: import("../client/types.js").Filters, options?: Options) => Promise<Page>} Query */
/** @typedef {(agent: string[]) => Promise<import("../client/types.js").Agent[]>} ListAgents */

const BEGINS = STATUSES.filter(isActive);
const ENDS = STATUSES.filter((status) => !isActive(status));
const FAILURES = STATUSES.filter(isFailure);
/** The maximum number of values that the gateway accepts in one filter. */
const BATCH = 50;
const MOST_TASKS = 300;

/** @param {number} ms */
const ago = (ms) => new Date(Date.now() - ms).toISOString();

/**
 * Reads the events that show which runs are active and which runs have failed.
 *
 * An event that begins or fails a run is returned only if all later end events of the run are read too, since
 * the run may have ended or succeeded after the event. One page contains the newest end events. For an event
 * that is older than this page, the end events of the event's task are read. If they do not reach back to the
 * event, the event is left out.
 *
 * @param {Query} query
 * @param {ListAgents} listAgents
 * @returns {Promise<StoredEvent[]>} The events in any order. An event may occur twice.
 */
export async function readHistory(query, listAgents) {
  const [begun, ended, failed] = await Promise.all([
    query({ source: RUNNING, status: BEGINS }, { limit: 500, since: ago(SILENT_MS) }),
    query({ source: RUNNING, status: ENDS }, { limit: 500 }),
    query({ status: FAILURES }, { limit: 200, since: ago(RECENT_MS) }),
  ]);
  const floor = floorOf(ended);
  const pings = failed.events.filter(isPing);
  const found = [...begun.events, ...failed.events.filter((event) => !isPing(event))];
  const all = [...found.filter((event) => event.id >= floor), ...ended.events];
  const early = found.filter((event) => event.id < floor);
  const tasks = [...new Set(early.map((event) => event.vtid))].slice(0, MOST_TASKS);
  for (let i = 0; i < tasks.length; i += BATCH) {
    const vtid = tasks.slice(i, i + BATCH);
    const more = await query(
      { source: RUNNING, vtid, status: ENDS },
      { limit: 1000, before: floor, since: ago(RECENT_MS) },
    );
    const reached = floorOf(more);
    const known = new Set(vtid);
    all.push(...early.filter((event) => event.id >= reached && known.has(event.vtid)), ...more.events);
  }
  return [...all, ...(await stillLost(pings, listAgents))];
}

/** The oldest id in a page of events; 0 if no older events exist. @param {Page} page */
const floorOf = ({ events, next }) => (next === null ? 0 : (events.at(-1)?.id ?? 0));

/**
 * Selects the failures of agents that still count. A failure counts until an agent with the same name sends a
 * ping that is not a failure.
 *
 * @param {StoredEvent[]} pings
 * @param {ListAgents} listAgents
 */
async function stillLost(pings, listAgents) {
  /** @param {StoredEvent} event */
  const nameOf = ({ meta, module }) => (typeof meta.agent === "string" ? meta.agent : module);
  const agent = [...new Set(pings.map(nameOf))].slice(0, BATCH);
  if (agent.length === 0) return [];
  /** @type {Map<string, number>} For each name, the id of the last ping that was not a failure. */
  const good = new Map();
  for (const row of await listAgents(agent))
    if (!(row.status && isFailure(row.status)))
      good.set(row.agent, Math.max(row.last_id, good.get(row.agent) ?? 0));
  const known = new Set(agent);
  return pings.filter((event) => known.has(nameOf(event)) && event.id > (good.get(nameOf(event)) ?? 0));
}
