// Makes the small parts that show an event: icons, status marks, times, links and notes.

import { addressOf } from "./address.js";
import { h, makeButton, on, svg } from "./dom.js";
import { isTask } from "./event.js";
import { isLost } from "./kinds.js";
import { webAddress } from "./links.js";
import { word } from "./sets.js";
import { keepToken, TOKEN } from "./settings.js";
import { clock, exact } from "./time.js";

/** @typedef {import("./sets.js").Status} Status */
/** @typedef {import("../client/types.js").Agent["state"]} AgentState */
/** @typedef {"star" | "out" | "close" | "bell" | "theme" | "help" | "down"} Tool */
/** @typedef {Status | AgentState | Tool} Icon */

/**
 * The paths of each icon, separated by `|`. Each path has its class as a prefix. Every state has a different
 * shape, so that readers can tell the states apart without colours.
 *
 * @type {Record<Icon, string>}
 */
const SHAPES = {
  queued: "dashed M14 8a6 6 0 1 1-12 0 6 6 0 0 1 12 0z",
  in_progress: "faint M14 8a6 6 0 1 1-12 0 6 6 0 0 1 12 0z|M8 2a6 6 0 0 1 6 6",
  success: "solid M15 8a7 7 0 1 1-14 0 7 7 0 0 1 14 0z|cut M5 8.2l2.1 2.1L11 6.2",
  failure: "solid M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2z|cut M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8",
  cancelled: "M14 8a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM4 12L12 4",
  info: "solid M10.6 8a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0z",
  working: "solid M5 3.2v9.6l7.6-4.8z",
  idle: "M5.5 4v8m5-8v8",
  late: "M8 1.8l6.6 11.8H1.4zM8 6.2v3.6m0 1.6v.2",
  lost: "solid M8 1l7 13H1z|cut M8 5.6v4.2m0 1.6v.3",
  stopped:
    "M5 3.5h6a1.5 1.5 0 0 1 1.5 1.5v6a1.5 1.5 0 0 1-1.5 1.5H5a1.5 1.5 0 0 1-1.5-1.5V5A1.5 1.5 0 0 1 5 3.5z",
  star: "M8 1.8l1.9 4 4.3.6-3.1 3 .8 4.3L8 11.6l-3.9 2.1.8-4.3-3.1-3 4.3-.6z",
  out: "M6 3.5H3.5v9h9V10M9 3h4v4M13 3L7.5 8.5",
  close: "M4 4l8 8m0-8l-8 8",
  bell: "M4 11V7.5a4 4 0 0 1 8 0V11l1.2 1.5H2.8zM6.7 14h2.6",
  theme: "M13.5 8a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0z|solid M8 2.5v11a5.5 5.5 0 0 0 0-11z",
  help: "M5.8 6.2a2.2 2.2 0 1 1 3.3 1.9C8.3 8.6 8 9 8 9.8m0 2v.2",
  down: "M4.5 6.5L8 10l3.5-3.5",
};

/** @type {Map<Icon, Element>} Each icon is made once and then cloned. */
const made = new Map();

/** @param {Icon} name */
export function icon(name) {
  let found = made.get(name);
  if (!found) {
    const paths = (SHAPES[name] ?? SHAPES.info).split("|").map((shape) => {
      const at = shape.indexOf("M");
      return svg("path", { class: shape.slice(0, at).trim(), d: shape.slice(at) });
    });
    found = svg("svg", { viewBox: "0 0 16 16", class: `icon i-${name}`, "aria-hidden": "true" }, ...paths);
    made.set(name, found);
  }
  return /** @type {Element} */ (found.cloneNode(true));
}

/** @param {Status | "lost"} status */
export function statusMark(status) {
  return h(
    "span",
    { class: `status s-${SHAPES[status] ? status : "info"}` },
    icon(status),
    h("span.word", status === "lost" ? status : word(status)),
  );
}

/** @param {string | number} ts @param {string} [text] */
export function time(ts, text) {
  const at = typeof ts === "number" ? ts : Date.parse(ts);
  const element = h("time", { title: exact(at) }, text ?? clock(at));
  if (!Number.isNaN(at)) element.dateTime = new Date(at).toISOString();
  return element;
}

/** @param {{ kind: string }} event */
export const failureWord = (event) => (isLost(event) ? "lost" : "failed");

/**
 * The link to a task's page, or plain text if the VTID does not name a task.
 *
 * @param {string} vtid
 * @param {number} [tabindex]
 */
export function taskLink(vtid, tabindex) {
  if (!isTask(vtid)) return h("span.task.none", vtid === "IDLE" ? "idle" : "no task");
  const href = addressOf(`/vtid/${encodeURIComponent(vtid)}`);
  return h("a.task", { href, "data-route": true, tabindex }, vtid);
}

/** The link to the page of a room. @param {string} id @param {string} text */
export const roomLink = (id, text) =>
  h(
    "a.room",
    { href: addressOf(`/rooms/${encodeURIComponent(id)}`), "data-route": true, title: id },
    h("bdi", text),
  );

/**
 * A link to another site; null if the address is not safe.
 *
 * @param {string | null} address
 * @param {string} label
 * @param {string} [text] The text before the icon.
 */
export function outLink(address, label, text) {
  const href = webAddress(address);
  if (!href) return null;
  return h(
    "a.out",
    { href, target: "_blank", rel: "noopener noreferrer", "aria-label": label, title: label },
    text ?? "",
    icon("out"),
  );
}

/** The mark of a page that shows simulated data. */
export const simulatedMark = () =>
  h(
    "span.simulated",
    { hidden: true, title: "No event is stored yet. The gateway invents this data." },
    "simulated",
  );

/** The placeholder for rows that are loading. */
export const skeleton = () =>
  h("div.skeleton.rows", { role: "img", "aria-label": "Loading" }, h("i"), h("i"), h("i"), h("i"));

/**
 * A note that says what failed to load and why, with a button to try again.
 *
 * @param {string} what
 * @param {unknown} error
 * @param {() => void} retry
 */
export const failureNote = (what, error, retry) => [
  h("p", { role: "alert" }, `${what}: ${error instanceof Error ? error.message : "the query failed"}.`),
  makeButton("small", { onclick: retry }, "Try again"),
];

/**
 * The form that asks for a token. The token is kept until the tab is closed.
 *
 * @param {string} [id] The id of the field. It must differ if a page has two of these forms.
 */
export function tokenForm(id = "token") {
  const input = h("input", {
    type: "password",
    id,
    autocomplete: "off",
    required: true,
    pattern: `\\s*${TOKEN}\\s*`,
    title: "Letters, digits and punctuation, no spaces",
  });
  const form = h(
    "form.token",
    h("label", { for: id }, "Token"),
    input,
    h("button.small", { type: "submit" }, "Use token"),
  );
  on(form, "submit", (event) => {
    event.preventDefault();
    keepToken(input.value.trim());
    location.reload();
  });
  return form;
}
