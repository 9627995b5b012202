// The small parts of the pages of casts: the status, the state of the connection, the progress and links.

import { addressOf } from "../address.js";
import { fill, h, isNew, makeButton } from "../dom.js";
import { icon, outLink } from "../labels.js";
import { percentOf, runAddress } from "./facts.js";

/** @typedef {import("../labels.js").Icon} Icon */
/** @typedef {import("../../client/casts.js").Cast} Cast */
/** @typedef {import("../../client/casts.js").CastStatus} CastStatus */

/** @type {Record<CastStatus, Icon>} */
const ICONS = { queued: "queued", running: "in_progress", succeeded: "success", failed: "failure" };

/** An unknown status, from a newer gateway, has the icon of `info`. @param {CastStatus} status */
export const iconOf = (status) => (Object.hasOwn(ICONS, status) ? ICONS[status] : "info");

/**
 * Makes a table.
 *
 * @param {string} kind The class of the table.
 * @param {string} caption
 * @param {string[]} heads
 * @param {HTMLElement} body
 */
export const table = (kind, caption, heads, body) =>
  h(
    `table.agents.${kind}`,
    h("caption.offscreen", caption),
    h("thead", h("tr", ...heads.map((name) => h("th", { scope: "col" }, name)))),
    body,
  );

/** An icon with a word. @param {Icon} name @param {string} word */
export const mark = (name, word) =>
  h("span", { class: `status s-${name}` }, icon(name), h("span.word", word));

/** @param {CastStatus} status */
export const castMark = (status) => mark(iconOf(status), status);

/** @param {string} id @param {string} text */
export const castLink = (id, text) =>
  h("a.cast", { href: addressOf(`/casts/${id}`), "data-route": true, title: id }, h("bdi", text));

/**
 * The link to the run of a cast on GitHub; null if the cast has no run.
 *
 * @param {Cast} cast
 * @param {string} text
 */
export const runLink = (cast, text) =>
  outLink(runAddress(cast), `Open run ${cast.runId} of ${cast.repository} on GitHub`, text);

/**
 * The word and the icon for the state of a stream.
 *
 * @param {Pick<import("./follow.js").Follow, "isOver" | "refusal"> & { stream: StreamState }} follow
 * @param {number} now
 * @returns {[Icon, string]}
 *
 * @typedef {Pick<import("./follow.js").Follow["stream"], "state" | "transport" | "retryAt">} StreamState
 */
export function stateOf({ isOver, refusal, stream: { state, transport, retryAt } }, now) {
  if (isOver) return ["stopped", "ended"];
  if (refusal) return ["lost", "not connected"];
  switch (state) {
    case "connecting":
      return ["queued", "connecting"];
    case "live":
    case "mock":
      return ["working", transport === "poll" ? "live, polling" : "live"];
    case "reconnecting": {
      const wait = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1_000);
      return ["late", wait > 0 ? `reconnecting in ${wait} s` : "reconnecting"];
    }
    case "offline":
      return ["lost", "not connected"];
  }
}

/**
 * Shows the state of the connection.
 *
 * @param {HTMLElement} element
 * @param {import("./follow.js").Follow} follow
 */
export function showState(element, follow) {
  const { state, reason, error, retryAt } = follow.stream;
  const [name, words] = stateOf(follow, Date.now());
  // The gateway says which of its limits a reader has reached.
  const why = state === "reconnecting" && reason === "busy" && error ? `${error.message}.` : "";
  if (!isNew(element, words + why)) return;
  const isWaiting = state === "reconnecting" && retryAt !== null;
  fill(
    element,
    mark(name, words),
    isWaiting && makeButton("small", { onclick: () => follow.retry() }, "Retry now"),
    why && h("span.quiet", why),
  );
}

/**
 * The bar for a progress, with its message; null if neither is known.
 *
 * @param {import("../../client/casts.js").Progress} cast
 */
export function progressBar({ progress, message }) {
  const percent = percentOf(progress);
  if (percent === null && !message) return null;
  return h(
    "div.progress",
    percent !== null && h("progress", { max: 100, value: percent, "aria-label": "Progress" }),
    percent !== null && h("span.percent", `${percent} %`),
    message && h("bdi.message", message),
  );
}
