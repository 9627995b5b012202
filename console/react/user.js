// Finds out which user a token belongs to, without verifying the token.

import { OasisError } from "@oasis-devhub/client";

/** The error without a token. */
export const noToken = () => new OasisError("token_missing", "there is no `token`: use SSEProvider");

/**
 * Returns a text that identifies the user of a token: equal texts mean the same user. The text is empty if
 * the token is no JSON Web Token.
 *
 * @param {string} token
 */
export function userOf(token) {
  try {
    const payload = /** @type {string} */ (token.split(".")[1]).replace(/-/g, "+").replace(/_/g, "/");
    // The bytes are not decoded as UTF-8, because the text is only compared.
    const { iss, sub } = JSON.parse(atob(payload));
    return sub ? JSON.stringify([iss, sub]) : "";
  } catch {
    return "";
  }
}
