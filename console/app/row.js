// Makes the header row and the event rows of a list of events.

import { fill, h, makeButton } from "./dom.js";
import { kindWords } from "./kinds.js";
import { outLink, statusMark, taskLink, time } from "./labels.js";
import { describeLink } from "./links.js";
import { sourceFacts, word } from "./sets.js";
import { moment } from "./time.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/**
 * @param {AnyEvent} event
 * @param {number} number
 * @param {boolean} selected
 * @param {string} name The name of the event's run; empty while the name is unknown.
 */
export function makeRow(event, number, selected, name) {
  const { link } = event;
  const what = describeLink(link);
  const label = `${kindWords(event.kind)}, ${word(event.status)}, ${event.vtid}, ${event.module}`;
  const open = makeButton("kind.clip", { tabindex: -1, "aria-label": label }, kindWords(event.kind));
  /** @param {string} name @param {...import("./dom.js").Child} children */
  const cell = (name, ...children) => h(`span.clip.c-${name}`, { role: "cell" }, ...children);
  const row = h(
    "div",
    {
      class: `row s-${event.status}`,
      role: "row",
      "data-number": number,
      "aria-current": selected ? "true" : null,
    },
    cell("time", time(event.ts, moment(Date.parse(event.ts), Date.now()))),
    cell("status", statusMark(event.status)),
    cell("task", taskLink(event.vtid, -1)),
    cell("kind", open),
    cell("module", event.module),
    cell("what"),
    cell("source", sourceFacts(event.source).name),
    cell("out", outLink(link, `Open ${what || "the link"}`)),
  );
  nameRow(row, event, name);
  row.querySelector(".c-out a")?.setAttribute("tabindex", "-1");
  if (event.id !== null) row.dataset.id = String(event.id);
  else row.dataset.simulated = "true";
  return row;
}

/**
 * Sets the name of the run in a row. The name may become known after the row was made.
 *
 * @param {HTMLElement} row
 * @param {AnyEvent} event
 * @param {string} name
 */
export function nameRow(row, event, name) {
  if (row.dataset.name === name) return;
  row.dataset.name = name;
  const cell = /** @type {HTMLElement} */ (row.querySelector(".c-what"));
  fill(cell, name && h("b", h("bdi", name)), h("bdi", describeLink(event.link)));
}

const HEADS = {
  time: "Time",
  status: "Status",
  task: "Task",
  kind: "Event",
  module: "Module",
  what: "Where",
  source: "Source",
  out: "Link",
};

/** The header row. */
export const tickerHead = () =>
  h(
    "div.row.head",
    { role: "row", "aria-rowindex": 1 },
    ...Object.entries(HEADS).map(([name, text]) => h(`span.clip.c-${name}`, { role: "columnheader" }, text)),
  );
