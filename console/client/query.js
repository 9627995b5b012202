// Reads pages of stored events and the list of agents from the query API.

import { badAnswer, getJson } from "./request.js";
import { AGENTS, address, EVENTS, isObject, ownOrigin, toId, toTicker } from "./wire.js";

/** @typedef {import("./types.js").StoredEvent} StoredEvent */

/**
 * @typedef {object} QueryOptions
 * @property {string} [url] The gateway's address; by default the page's own origin.
 * @property {string} [token] One of the gateway's READ_TOKENS.
 * @property {import("./types.js").Filters} [filters]
 * @property {string} [since] RFC 3339: only events with a `ts` at or after this time.
 * @property {string} [until] RFC 3339: only events with a `ts` at or before this time.
 * @property {number} [before] Only events with a lower id. Pass the `next` of the previous page.
 * @property {number} [limit] 1 to 1000; by default 50.
 * @property {AbortSignal} [signal]
 * @property {typeof globalThis.fetch} [fetch]
 */

/**
 * @typedef {object} AgentOptions
 * @property {string} [url]
 * @property {string} [token]
 * @property {Partial<Record<"vtid" | "state" | "agent", string | readonly string[]>>} [filters]
 * @property {AbortSignal} [signal]
 * @property {typeof globalThis.fetch} [fetch]
 */

/**
 * Reads a page of events, newest first.
 *
 * @param {QueryOptions} [options]
 * @returns {Promise<{ events: StoredEvent[], next: number | null }>} `next` is the `before` of the next page;
 *   null if this is the last page.
 * @throws {import("./errors.js").OasisError}
 */
export async function queryEvents({
  url = ownOrigin(),
  token,
  filters,
  since,
  until,
  before,
  limit,
  ...rest
} = {}) {
  const target = address(url, EVENTS, { ...filters, since, until, before, limit });
  const { rows, response } = await getRows(target, token, rest);
  const events = rows.filter(isObject).flatMap((row) => {
    const id = toId(row.id);
    return id === null ? [] : [toStored(id, row)];
  });
  return { events, next: nextPage(response.headers.get("link")) };
}

/**
 * Lists the agents and their states.
 *
 * @param {AgentOptions} [options]
 * @returns {Promise<import("./types.js").Agent[]>}
 * @throws {import("./errors.js").OasisError}
 */
export async function listAgents({ url = ownOrigin(), token, filters = {}, ...rest } = {}) {
  const { rows } = await getRows(address(url, AGENTS, filters), token, rest);
  return /** @type {import("./types.js").Agent[]} */ (rows.filter(isObject));
}

/**
 * @param {string} target
 * @param {string | undefined} token
 * @param {import("./request.js").RequestOptions} options
 */
async function getRows(target, token, options) {
  const { body, response } = await getJson(target, token, options);
  if (!Array.isArray(body)) throw badAnswer("the response is not a list", response);
  return { rows: /** @type {unknown[]} */ (body), response };
}

/**
 * @param {number} id
 * @param {Record<string, unknown>} row
 * @returns {StoredEvent}
 */
const toStored = (id, row) => ({
  id,
  ...toTicker(row),
  recorded_at: String(row.recorded_at ?? ""),
  channel: String(row.channel ?? ""),
  meta: isObject(row.meta) ? row.meta : {},
});

/** @param {string | null} link */
function nextPage(link) {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? "")?.[1];
  const query = target?.slice(target.indexOf("?") + 1);
  return toId(new URLSearchParams(query).get("before"));
}
