// Asks the query API for the runs that were active or had failed before the page was opened.

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
/** The maximum number of values of one filter that the gateway accepts. */
const BATCH = 50;
const MOST_TASKS = 300;

/** @param {number} ms */
const ago = (ms) => new Date(Date.now() - ms).toISOString();

/**
 * Reads the events that tell which runs are active and which have failed.
 *
 * An event that begins or fails a run is useful only together with all later events of the run. One page of
 * end events covers the newest ids. For an event with an older id, the end events of its task are read. If
 * these end events do not reach back to the event, the event is left out.
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
 * Selects the failures of agents that still count, because no agent with the same name has since sent a ping
 * without a failure.
 *
 * @param {StoredEvent[]} pings
 * @param {ListAgents} listAgents
 */
async function stillLost(pings, listAgents) {
  /** @param {StoredEvent} event */
  const nameOf = ({ meta, module }) => (typeof meta.agent === "string" ? meta.agent : module);
  const agent = [...new Set(pings.map(nameOf))].slice(0, BATCH);
  if (agent.length === 0) return [];
  /** @type {Map<string, number>} The id of each name's last ping that was not a failure. */
  const good = new Map();
  for (const row of await listAgents(agent))
    if (!(row.status && isFailure(row.status)))
      good.set(row.agent, Math.max(row.last_id, good.get(row.agent) ?? 0));
  const known = new Set(agent);
  return pings.filter((event) => known.has(nameOf(event)) && event.id > (good.get(nameOf(event)) ?? 0));
}
