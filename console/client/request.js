// Sends a request for JSON, and turns every failure into an `OasisError`.

import { OasisError, readError } from "./errors.js";
import { checkToken, headers } from "./wire.js";

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
