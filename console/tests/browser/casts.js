// Opens and changes casts for tests, as the service does.

import { ENV } from "./rooms.js";

export { ENV, mint } from "./rooms.js";

export const CASTS = "/api/casts";

/**
 * @param {{ url: string }} stack
 * @param {string} method
 * @param {string} path
 * @param {object} body
 */
async function call(stack, method, path, body) {
  const answer = await fetch(`${stack.url}${CASTS}${path}`, {
    method,
    headers: { Authorization: `Bearer ${ENV.INGEST_TOKENS}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
}

/** Opens a cast of a user. @param {{ url: string }} stack @param {string} owner @param {string} id */
export const openCast = (stack, owner, id) =>
  call(stack, "POST", "", { id, owner, spell: `the spell of ${id}` });

/** Changes a cast. @param {{ url: string }} stack @param {string} id @param {object} change */
export const change = (stack, id, change) => call(stack, "PATCH", `/${id}`, change);
