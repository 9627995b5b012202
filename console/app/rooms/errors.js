// Explains why a room or the list of rooms cannot be read, and what to do.

import { addressOf } from "../address.js";
import { h } from "../dom.js";
import { failureNote, tokenForm } from "../labels.js";

/**
 * What went wrong, in words for the reader.
 *
 * @param {{ code: string, status: number, message: string }} error
 */
function words({ code, status, message }) {
  if (code === "auth_not_configured")
    return "This gateway has no keys for users' tokens, so it shows no room.";
  if (code === "token_expired") return "Your token has expired. Sign in again.";
  if (code === "revoked") return "Your token was revoked, or you may no longer read this room.";
  if (code === "token_missing") return "Sign in to read rooms.";
  if (status === 401) return `Your token is not accepted: ${message}. Sign in again.`;
  if (status === 403) return `You may not read this: ${message}.`;
  return message;
}

/**
 * The note for an error, with a form for another token if that may help.
 *
 * @param {string} what What cannot be read.
 * @param {unknown} error
 * @param {() => void} retry
 * @returns {HTMLElement[]}
 */
export function explain(what, error, retry) {
  const known = /** @type {import("../../client/errors.js").OasisError} */ (error);
  const { code = "", status = 0, hint = null } = known;
  const asksForToken =
    status === 401 ||
    code === "token_expired" ||
    code === "revoked" ||
    (status === 403 && code !== "auth_not_configured");
  const isFinal = asksForToken || status === 403 || status === 404;
  if (!isFinal) return failureNote(what, error, retry);
  if (status === 404)
    return [
      h("p", { role: "alert" }, "This room does not exist."),
      h("p", h("a", { href: addressOf("/rooms"), "data-route": true }, "See the rooms that you may read")),
    ];
  /** @type {HTMLElement[]} */
  const parts = [h("p", { role: "alert" }, words(known))];
  // The hint of an error about a token is for programs.
  if (hint && !asksForToken) parts.push(h("p.quiet", `Hint: ${hint}.`));
  if (asksForToken) {
    parts.push(tokenForm("room-token"));
    parts.push(
      h(
        "p.quiet",
        "The token is a JSON Web Token from your login, or an API key. It is kept until you close this tab. ",
        "To make a token for a test: ",
        h("code", "oasis token mint --sub alice --for 1h"),
      ),
    );
  }
  return parts;
}
