// Explains why a cast, the list of casts or the audit log cannot be read, and what to do.

import { addressOf } from "../address.js";
import { h } from "../dom.js";
import { failureNote, tokenForm } from "../labels.js";

/** @typedef {import("../../client/errors.js").OasisError} OasisError */

/** @param {OasisError} error @param {boolean} hasToken */
function words({ code, status, message }, hasToken) {
  if (code === "token_expired") return "Your token has expired. Sign in again.";
  if (code === "revoked") return "Your token was revoked. Sign in again.";
  if (code === "not_an_administrator") return "Only administrators may read the audit log.";
  if (status === 401)
    return hasToken ? `Your token is not accepted: ${message}. Sign in again.` : "Sign in to read this page.";
  return `You may not read this: ${message}.`;
}

/**
 * The note for an error, with a form for another token if that may help.
 *
 * @param {string} what What cannot be read.
 * @param {unknown} error
 * @param {string | undefined} token The token that was sent.
 * @param {() => void} retry
 * @returns {HTMLElement[]}
 */
export function explain(what, error, token, retry) {
  const known = /** @type {OasisError} */ (error);
  const { code, status, hint } = known;
  if (status === 404)
    return [
      h("p", { role: "alert" }, "This cast does not exist."),
      h("p", h("a", { href: addressOf("/casts"), "data-route": true }, "See your casts")),
    ];
  if (status !== 401 && status !== 403 && code !== "token_expired" && code !== "revoked")
    return failureNote(what, error, retry);
  const note = [h("p", { role: "alert" }, words(known, token !== undefined))];
  // The hint of a 401 is for programs.
  if (hint && status !== 401) note.push(h("p.quiet", `Hint: ${hint}.`));
  const admin = code === "not_an_administrator" ? " --admin" : "";
  return [
    ...note,
    tokenForm("cast-token"),
    h(
      "p.quiet",
      "The token is a JSON Web Token from your login, or an API key. It is kept until you close this tab. ",
      "To make a token for a test: ",
      h("code", `oasis token mint --sub ann --for 1h${admin}`),
    ),
  ];
}
