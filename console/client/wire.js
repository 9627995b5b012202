// Builds the gateway's addresses and headers, and parses its events.

export const FEED = "/api/v1/devhub/feed";
export const EVENTS = "/api/v1/oasis/events";
export const AGENTS = "/api/v1/oasis/agents";

/** The origin of the page. @throws {TypeError} Outside a browser, where there is no page. */
export function ownOrigin() {
  const origin = globalThis.location?.origin;
  if (!origin) throw new TypeError("url is required outside a browser: pass the gateway's address");
  return origin;
}

/** @param {string} [token] */
export function checkToken(token) {
  // Without this check, an invalid token looks like a network failure.
  if (token && !/^[\x21-\x7e]+$/.test(token))
    throw new TypeError("token must consist of printable ASCII characters without spaces");
}

/**
 * Builds an address. Parameters that are null, undefined or empty are left out.
 *
 * @param {string} url The gateway's address.
 * @param {string} path
 * @param {Readonly<Record<string, string | number | readonly string[] | null | undefined>>} parameters
 */
export function address(url, path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
    if (text !== "") query.append(name, text);
  }
  const search = query.toString();
  return `${url.replace(/\/+$/, "")}${path}${search && `?${search}`}`;
}

/**
 * @param {string | undefined} token
 * @param {string} accept
 */
export function headers(token, accept) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept };
  if (token) headers.Authorization = `Bearer ${token}`;
  return headers;
}

/**
 * Parses the id of an event. Returns null if the value is not an id. The ids of events stay far below
 * `Number.MAX_SAFE_INTEGER`.
 *
 * @param {unknown} value
 */
export function toId(value) {
  const id = typeof value === "string" && /^[0-9]+$/.test(value) ? Number(value) : value;
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : null;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Parses a JSON object. Returns null if the text is something else.
 *
 * @param {string | null} text
 */
export function parseObject(text) {
  if (text === null) return null;
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value */
const text = (value) => (typeof value === "string" ? value : "");

/**
 * Returns the value if it is an http(s) address, which is safe as a link in a page; otherwise null.
 *
 * @param {unknown} value
 */
export const webLink = (value) => (typeof value === "string" && /^https?:\/\//i.test(value) ? value : null);

/**
 * Reads the ten fields of an event. A field with the wrong type becomes empty, and an invalid link becomes
 * null.
 *
 * @param {Record<string, unknown>} value
 * @returns {import("./types.js").Ticker}
 */
export function toTicker(value) {
  return {
    ts: text(value.ts),
    vtid: text(value.vtid),
    layer: text(value.layer),
    module: text(value.module),
    source: /** @type {import("./types.js").Source} */ (text(value.source)),
    kind: text(value.kind),
    status: /** @type {import("./types.js").Status} */ (text(value.status)),
    title: text(value.title),
    ref: text(value.ref),
    link: webLink(value.link),
  };
}

/**
 * @param {number | null} id
 * @param {Record<string, unknown>} value
 * @param {number} receivedAt
 * @returns {import("./types.js").OasisEvent}
 */
export const toEvent = (id, value, receivedAt) => ({
  id,
  ...toTicker(value),
  receivedAt,
  simulated: id === null,
});
