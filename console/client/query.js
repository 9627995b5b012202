// Reads pages of stored events and the list of agents from the query API.

import { OasisError, readError } from "./errors.js";
import { AGENTS, address, checkToken, EVENTS, headers, isObject, ownOrigin, toId, toTicker } from "./wire.js";

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
 * @throws {OasisError}
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
 * @throws {OasisError}
 */
export async function listAgents({ url = ownOrigin(), token, filters = {}, ...rest } = {}) {
  const { rows } = await getRows(address(url, AGENTS, filters), token, rest);
  return /** @type {import("./types.js").Agent[]} */ (rows.filter(isObject));
}

/**
 * @typedef {object} RequestOptions
 * @property {AbortSignal} [signal]
 * @property {typeof globalThis.fetch} [fetch]
 */

/**
 * @param {string} target
 * @param {string | undefined} token
 * @param {RequestOptions} options
 * @returns {Promise<{ body: unknown, response: Response }>}
 * @throws {OasisError}
 */
export async function getJson(target, token, { signal, fetch = globalThis.fetch.bind(globalThis) }) {
  checkToken(token);
  const init = {
    headers: headers(token, "application/json"),
    cache: /** @type {const} */ ("no-store"),
    signal,
  };
  const response = await attempt(signal, () => fetch(target, init));
  if (!response.ok) throw await readError(response);
  return { body: await attempt(signal, () => response.json()), response };
}

/** The error for a response with an unexpected form. @param {string} message @param {Response} response */
export const badAnswer = (message, response) =>
  new OasisError("bad_answer", message, "check that url is the gateway's address", response.status);

/**
 * Turns every failure into an OasisError, except an abort by the caller's signal.
 *
 * @template T
 * @param {AbortSignal | undefined} signal
 * @param {() => Promise<T>} work
 */
async function attempt(signal, work) {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (error instanceof SyntaxError)
      throw new OasisError("bad_answer", `the response is not JSON: ${error.message}`);
    // Browsers hide the cause from pages, and "Failed to fetch" does not help a user.
    throw new OasisError("network", "the gateway can't be reached");
  }
}

/**
 * @param {string} target
 * @param {string | undefined} token
 * @param {RequestOptions} options
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
