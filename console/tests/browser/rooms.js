// Opens, fills and closes rooms for tests, and makes tokens for their readers.

import { createHmac } from "node:crypto";

const SECRET = "a secret for the tests of the console";
const SERVICE = "a-service-token";

/** The environment of a stack with users and with a service that writes to rooms. */
export const ENV = { JWT_SECRET: SECRET, INGEST_TOKENS: SERVICE };

/** @param {object} value */
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * A token for a user.
 *
 * @param {string} user
 * @param {number} [seconds] For how long it is valid.
 * @param {object} [more] Further claims.
 */
export function mint(user, seconds = 3_600, more = {}) {
  const now = Math.floor(Date.now() / 1_000);
  const claims = encoded({ sub: user, iat: now, exp: now + seconds, ...more });
  const signed = `${encoded({ alg: "HS256", typ: "JWT" })}.${claims}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/**
 * Sends a request as the service.
 *
 * @param {import("./stack.js").Stack} stack
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
async function call(stack, method, path, body) {
  const answer = await fetch(`${stack.url}/api/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${SERVICE}`, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
}

/**
 * Opens or changes a room.
 *
 * @param {import("./stack.js").Stack} stack
 * @param {string} id
 * @param {{ owner?: string, readers?: "signed_in" | "owner", title?: string }} [change]
 */
export const put = (stack, id, change = {}) => call(stack, "PUT", `rooms/${id}`, change);

/** @param {import("./stack.js").Stack} stack @param {string} id */
export const close = (stack, id) => call(stack, "DELETE", `rooms/${id}`);

/** Writes resource events. @param {import("./stack.js").Stack} stack @param {object[]} events */
export const report = (stack, events) => call(stack, "POST", "events", events);

/**
 * @typedef {object} Line
 * @property {string} message
 * @property {string} [agentType]
 * @property {string} [level]
 * @property {object} [metadata]
 * @property {string} [vtid]
 */

/**
 * Writes lines to a room.
 *
 * @param {import("./stack.js").Stack} stack
 * @param {string} id
 * @param {(string | Line)[]} lines
 */
export async function write(stack, id, lines) {
  const all = lines.map((line) => ({
    agentType: "deploy",
    ...(typeof line === "string" ? { message: line } : line),
  }));
  for (let from = 0; from < all.length; from += 1_000)
    await call(stack, "POST", `rooms/${id}/logs`, all.slice(from, from + 1_000));
}

/** Lines `line 1`, `line 2` and so on. @param {number} from @param {number} to */
export const numbered = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);

/**
 * The texts of the lines in the document, from top to bottom.
 *
 * @param {import("playwright-core").Page} page
 */
export const texts = (page) => page.locator(".line .text").allTextContents();

/**
 * The position of a line on the screen; null if the line is not in the document.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export const topOf = (page, text) =>
  page.evaluate((text) => {
    const line = [...document.querySelectorAll(".line .text")].find((one) => one.textContent === text);
    return line ? line.getBoundingClientRect().top : null;
  }, text);
