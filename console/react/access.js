// How hooks reach the gateway: with their own options, or with those of the `SSEProvider` above them.

import { createContext, useContext, useMemo } from "react";
import { noToken, userOf } from "./user.js";

/** @typedef {import("./types.js").TokenFunction} TokenFunction */

/**
 * @typedef {object} Access
 * @property {string} [url]
 * @property {string | TokenFunction | null} token
 * @property {string} tokenKey Identifies the token. A new function is not a new token.
 * @property {RequestCredentials} [credentials]
 */

export const AccessContext = /* @__PURE__ */ createContext(/** @type {Access | null} */ (null));

/**
 * The identity of a token.
 *
 * @param {string | TokenFunction | null | undefined} token
 * @param {number} login Tells the users of functions apart.
 */
export const tokenKey = (token, login) =>
  typeof token === "function" ? `()${login}` : token ? `=${token}` : "";

/** @typedef {import("@oasis-devhub/client").OasisError} OasisError */

/** @type {OasisError | undefined} */
let missing;

/**
 * @typedef {object} Stream What distinguishes a stream from other streams of a gateway.
 * @property {unknown[]} name
 * @property {boolean} replays
 * @property {"events" | "lines" | "updates"} rows
 * @property {(rows: any[], last: any) => any[]} [fold]
 * @property {import("./types.js").EventCache | null} cache
 * @property {() => import("@oasis-devhub/client").Profile<any>} profile
 */

/**
 * @param {import("./types.js").AccessOptions & import("./types.js").RetryOptions} options
 * @param {boolean} enabled False means that there is no connection.
 */
export function useAccess(options, enabled) {
  const { token } = options;
  const context = useContext(AccessContext);
  const isOwn = token !== undefined;
  const given = isOwn ? token : context?.token;
  const text = typeof given === "string" ? given : "";
  const ask = typeof given === "function" ? given : undefined;
  const user = useMemo(() => userOf(text), [text]);
  const url = options.url ?? context?.url;
  const credentials = options.credentials ?? context?.credentials;
  /** @type {OasisError | null} */
  let error = null;
  if (enabled && !isOwn && !context && !credentials) error = missing ??= noToken();
  /** @type {typeof globalThis.fetch} */
  const withCookies = (address, init) => globalThis.fetch(address, { ...init, credentials });
  /**
   * The source of a stream; null if there is nothing with which to connect.
   *
   * @param {Stream} stream
   * @returns {import("./types.js").Source | null}
   */
  const sourceOf = ({ name, ...rest }) => {
    if (!enabled || !(given || credentials)) return null;
    const stream = JSON.stringify([url, credentials, ...name]);
    return {
      ...rest,
      stream,
      key: `${stream} ${isOwn ? tokenKey(token, 0) : context?.tokenKey}`,
      user,
      asks: Boolean(ask),
      credentials,
      // The stream ignores the options that it does not know.
      options: { ...options, token: text, url, fetch: credentials && withCookies },
    };
  };
  return { sourceOf, ask, error };
}
