// Reads casts: one cast, and pages of the user's casts.

import { badAnswer, getJson } from "./query.js";
import { address, isObject, ownOrigin, webLink } from "./wire.js";

/** @typedef {import("./schemas.js").CastStatus} CastStatus */

/**
 * A cast: one job of a user. All texts are untrusted. If `artifactUrl` is not an http(s) address, the client
 * turns it into null.
 *
 * @typedef {import("./schemas.js").Cast} Cast
 */

/** @typedef {"startedAt" | "finishedAt" | "duration"} Times */
/** @typedef {"costCents" | "artifactUrl" | "errorMessage"} Outcome */

/**
 * The fields of a cast that its stream reports.
 *
 * @typedef {Pick<Cast, "status" | Times | Outcome>} CastFields
 */

/** @typedef {import("./schemas.js").CastList["pagination"]} Pagination */

/**
 * @typedef {object} CastOptions
 * @property {string} [url] The gateway's address; by default the page's own origin.
 * @property {string} [token]
 */

/** @typedef {CastOptions & import("./query.js").RequestOptions} CastQueryOptions */
/** @typedef {CastQueryOptions & { page?: number, limit?: number }} CastsQueryOptions */

const CASTS = "/api/casts";

/**
 * The path of a cast, or of all casts.
 *
 * @param {string | null} id
 * @throws {TypeError} If the id is not the id of a cast.
 */
export function castPath(id) {
  if (id === null) return CASTS;
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(id) || [".", "..", "events"].includes(id))
    throw new TypeError(
      "the id of a cast consists of 1 to 128 letters, digits, dots, underscores and hyphens",
    );
  return `${CASTS}/${id}`;
}

/** Whether the cast has ended. A later attempt may begin it again. @param {{ status?: CastStatus }} cast */
export const isOver = ({ status }) => status === "succeeded" || status === "failed";

/**
 * Reads a page of the user's casts, newest first.
 *
 * @param {CastsQueryOptions} [options] `page` counts from 1, and `limit` is at most 100.
 * @returns {Promise<{ casts: Cast[], pagination: Pagination }>}
 * @throws {import("./errors.js").OasisError}
 */
export async function queryCasts({ url = ownOrigin(), token, page, limit, ...rest } = {}) {
  const { body, response } = await getJson(address(url, CASTS, { page, limit }), token, rest);
  if (!isObject(body) || !Array.isArray(body.casts) || !isObject(body.pagination))
    throw badAnswer("the response lists no casts", response);
  const pagination = /** @type {Pagination} */ (body.pagination);
  return { casts: body.casts.filter(isObject).map(toCast), pagination };
}

/**
 * @param {string} id
 * @param {CastQueryOptions} [options]
 * @returns {Promise<Cast>}
 * @throws {import("./errors.js").OasisError}
 */
export async function queryCast(id, { url = ownOrigin(), token, ...rest } = {}) {
  const { body, response } = await getJson(address(url, castPath(id), {}), token, rest);
  if (!isObject(body)) throw badAnswer("the response is not a cast", response);
  return toCast(body);
}

/** @param {Record<string, unknown>} value */
const toCast = (value) => /** @type {Cast} */ ({ ...value, artifactUrl: webLink(value.artifactUrl) });
