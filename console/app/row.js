// Makes the header row and the event rows of a list of events.

import { fill, h, makeButton, part } from "./dom.js";
import { arrivalOf, latenessOf } from "./event.js";
import { kindWords } from "./kinds.js";
import { outLink, statusMark, taskLink, time } from "./labels.js";
import { describeLink } from "./links.js";
import { sourceFacts, word } from "./sets.js";
import { exact, moment, rounded } from "./time.js";

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
    cell("time"),
    cell("status", statusMark(event.status)),
    cell("task", taskLink(event.vtid, -1)),
    cell("kind", open),
    cell("module", event.module),
    cell("what"),
    cell("source", sourceFacts(event.source).name),
    cell("out", outLink(link, `Open ${what || "the link"}`)),
  );
  completeRow(row, event, name);
  row.querySelector(".c-out a")?.setAttribute("tabindex", "-1");
  if (event.id !== null) row.dataset.id = String(event.id);
  else row.dataset.simulated = "true";
  return row;
}

/**
 * Sets the parts of a row that may become known after the row was made: the time of arrival, and the name of
 * the run.
 *
 * @param {HTMLElement} row
 * @param {AnyEvent} event
 * @param {string} name
 */
export function completeRow(row, event, name) {
  const at = arrivalOf(event);
  if (row.dataset.at !== String(at)) {
    row.dataset.at = String(at);
    const late = latenessOf(event);
    const cell = part(row, ".c-time");
    const arrived = time(at, moment(at, Date.now()));
    arrived.removeAttribute("title");
    fill(cell, arrived, late > 0 && h("span.late", `+${rounded(late)}`));
    cell.title = late > 0 ? `Arrived ${exact(at)}\n\nHappened ${exact(Date.parse(event.ts))}` : exact(at);
  }
  if (row.dataset.name === name) return;
  row.dataset.name = name;
  const cell = part(row, ".c-what");
  fill(cell, name && h("b", h("bdi", name)), h("bdi", describeLink(event.link)));
}

const HEADS = {
  time: "Arrived",
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
