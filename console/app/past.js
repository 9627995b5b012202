// What ran, waited and failed before the page was opened: asked of the query API.

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
/** So many values the gateway takes at once. */
const BATCH = 50;
const MOST_TASKS = 300;

/** @param {number} ms */
const ago = (ms) => new Date(Date.now() - ms).toISOString();

/**
 * An event that something began or failed is useful only together with all later events. Those older than the
 * last page of ends are therefore read by task, and left out where even that page does not reach back far
 * enough.
 *
 * @param {Query} query
 * @param {ListAgents} listAgents
 * @returns {Promise<StoredEvent[]>} In any order, some of them twice.
 */
export async function readPast(query, listAgents) {
  const [begun, ended, failed] = await Promise.all([
    query({ source: RUNNING, status: BEGINS }, { limit: 500, since: ago(SILENT_MS) }),
    query({ source: RUNNING, status: ENDS }, { limit: 500 }),
    query({ status: FAILURES }, { limit: 200, since: ago(RECENT_MS) }),
  ]);
  const floor = floorOf(ended);
  const pings = failed.events.filter(isPing);
  const told = [...begun.events, ...failed.events.filter((event) => !isPing(event))];
  const all = [...told.filter((event) => event.id >= floor), ...ended.events];
  const early = told.filter((event) => event.id < floor);
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

/** The id from which on a page of the newest has all. @param {Page} page */
const floorOf = ({ events, next }) => (next === null ? 0 : (events.at(-1)?.id ?? 0));

/**
 * Those after which nothing good was heard of an agent of that name.
 *
 * @param {StoredEvent[]} pings
 * @param {ListAgents} listAgents
 */
async function stillLost(pings, listAgents) {
  /** @param {StoredEvent} event */
  const nameOf = ({ meta, module }) => (typeof meta.agent === "string" ? meta.agent : module);
  const agent = [...new Set(pings.map(nameOf))].slice(0, BATCH);
  if (agent.length === 0) return [];
  /** @type {Map<string, number>} */
  const heard = new Map();
  for (const row of await listAgents(agent))
    if (!(row.status && isFailure(row.status)))
      heard.set(row.agent, Math.max(row.last_id, heard.get(row.agent) ?? 0));
  const known = new Set(agent);
  return pings.filter((event) => known.has(nameOf(event)) && event.id > (heard.get(nameOf(event)) ?? 0));
}
