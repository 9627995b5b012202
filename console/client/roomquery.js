// Reads rooms, and pages of their lines.

import { badAnswer, getJson } from "./query.js";
import { address, isObject, ownOrigin, toId } from "./wire.js";

/** @typedef {import("./types.js").Room} Room */
/** @typedef {import("./types.js").RoomLine} RoomLine */
/** @typedef {import("./types.js").LogLevel} LogLevel */

const ROOMS = "/api/v1/rooms";
const LEVELS = /** @type {readonly unknown[]} */ (["info", "warn", "error", "success"]);

/**
 * The path of a room.
 *
 * @param {string} room
 * @throws {TypeError} If the id has a character that ids cannot have.
 */
export function roomPath(room) {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(room) || room === "." || room === "..")
    throw new TypeError(
      "the id of a room consists of 1 to 128 letters, digits, dots, underscores and hyphens",
    );
  return `${ROOMS}/${room}`;
}

/**
 * @typedef {object} Common
 * @property {string} [url] The gateway's address; by default the page's own origin.
 * @property {string} [token]
 */

/**
 * @typedef {object} RoomFilters
 * @property {string} [vtid] Only rooms with lines of this task.
 * @property {string} [before] The `next` of the previous page.
 * @property {number} [limit]
 */

/** @typedef {Common & RoomFilters & import("./query.js").RequestOptions} RoomsOptions */

/**
 * Lists the rooms that the caller may read. The room that changed last comes first.
 *
 * @param {RoomsOptions} [options]
 * @returns {Promise<{ rooms: Room[], next: string | null }>} `next` is the `before` of the next page; null if
 *   this is the last page.
 * @throws {import("./errors.js").OasisError}
 */
export async function listRooms({ url = ownOrigin(), token, vtid, before, limit, ...rest } = {}) {
  const { body, response } = await getJson(address(url, ROOMS, { vtid, before, limit }), token, rest);
  if (!isObject(body) || !Array.isArray(body.rooms)) throw badAnswer("the response lists no rooms", response);
  return { rooms: body.rooms.filter(isObject).map(toRoom), next: textOrNull(body.next) };
}

/**
 * @param {string} room
 * @param {Common & import("./query.js").RequestOptions} [options]
 * @returns {Promise<Room>}
 * @throws {import("./errors.js").OasisError}
 */
export async function getRoom(room, { url = ownOrigin(), token, ...rest } = {}) {
  const { body, response } = await getJson(address(url, roomPath(room), {}), token, rest);
  if (!isObject(body)) throw badAnswer("the response is not a room", response);
  return toRoom(body);
}

/**
 * @typedef {object} LineFilters
 * @property {number} [before] Only lines with a lower id.
 * @property {number} [after] Only lines with a higher id.
 * @property {number} [limit] 1 to 1000; by default 100.
 * @property {string | readonly string[]} [level]
 * @property {string | readonly string[]} [agentType]
 * @property {string} [q] Only lines whose message contains this text, in upper or lower case.
 */

/** @typedef {Common & LineFilters & import("./query.js").RequestOptions} LinesOptions */

/**
 * Reads a page of lines, oldest first. Without `before` and `after`, these are the newest lines.
 *
 * @param {string} room
 * @param {LinesOptions} [options]
 * @returns {Promise<{ lines: RoomLine[], cursor: number | null, more: boolean }>} `cursor` is the `before` of
 *   the next page, or its `after` if this page was read with `after`. A page may have no line although there
 *   are more.
 * @throws {import("./errors.js").OasisError}
 */
export async function queryLines(room, { url = ownOrigin(), token, signal, fetch, ...filters } = {}) {
  const target = address(url, `${roomPath(room)}/logs`, filters);
  const { body, response } = await getJson(target, token, { signal, fetch });
  if (!isObject(body) || !Array.isArray(body.lines)) throw badAnswer("the response has no lines", response);
  const lines = body.lines.filter(isObject).flatMap((line) => {
    const id = toId(line.id);
    return id === null ? [] : [toLine(id, line)];
  });
  const cursor = toId(body.cursor);
  return { lines, cursor, more: body.more === true && cursor !== null };
}

/**
 * Reads the fields of a line. A field with the wrong type gets a default.
 *
 * @param {number} id
 * @param {Record<string, unknown>} value
 * @returns {RoomLine}
 */
export const toLine = (id, value) => ({
  id,
  timestamp: text(value.timestamp),
  agentType: text(value.agentType),
  level: LEVELS.includes(value.level) ? /** @type {LogLevel} */ (value.level) : "info",
  message: text(value.message),
  metadata: value.metadata ?? null,
  vtid: textOrNull(value.vtid),
});

/** @param {Record<string, unknown>} value @returns {Room} */
const toRoom = (value) => ({
  id: text(value.id),
  title: textOrNull(value.title),
  owner: textOrNull(value.owner),
  readers: value.readers === "owner" ? "owner" : "signed_in",
  state: value.state === "closed" ? "closed" : "open",
  createdAt: text(value.createdAt),
  updatedAt: text(value.updatedAt),
});

/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value : "");

/** @param {unknown} value */
const textOrNull = (value) => (typeof value === "string" || typeof value === "number" ? String(value) : null);
