// Makes the row of a line, and writes a line as text.

import { h, makeButton } from "../dom.js";
import { icon, taskLink } from "../labels.js";
import { exact, moment } from "../time.js";
import { tree } from "../tree.js";
import { parseAnsi, plainText } from "./ansi.js";
import { look } from "./colour.js";

/** @typedef {import("./lines.js").Item} Item */
/** @typedef {import("../../client/types.js").RoomLine} RoomLine */
/** @typedef {import("../../client/types.js").LogLevel} LogLevel */

/** The icon of each level. @type {Record<LogLevel, import("../labels.js").Icon | null>} */
export const ICONS = { info: null, success: "success", warn: "late", error: "failure" };

export const LEVELS = /** @type {LogLevel[]} */ (Object.keys(ICONS));

/**
 * @param {Item} item
 * @param {number} number
 * @param {import("./matches.js").Matches} matches
 */
export function makeLine(item, number, matches) {
  const { line } = item;
  if (!line) return h("div.line.notice", { role: "listitem", "data-number": number }, item.notice);
  const at = Date.parse(line.timestamp);
  const time = h(
    "time",
    { title: exact(at) || line.timestamp, datetime: line.timestamp },
    moment(at, Date.now()),
  );
  const name = ICONS[line.level];
  const row = h(
    `div.line.l-${line.level}`,
    { role: "listitem", "data-number": number },
    hasDetails(line) ? foldButton(item) : h("span.fold"),
    time,
    h("bdi.who.clip", { title: line.agentType }, line.agentType),
    h("span.level", { title: line.level }, name && icon(name), h("span.offscreen", line.level)),
    message(line.message, matches),
  );
  if (matches.current === number) row.ariaCurrent = "true";
  if (item.open) row.append(details(line));
  return row;
}

/** @param {RoomLine} line */
const hasDetails = ({ metadata, vtid }) => metadata !== null || vtid !== null;

/** @param {Item} item */
const foldButton = ({ open }) =>
  makeButton("fold", { "aria-label": "Details of this line", "aria-expanded": String(open) }, icon("down"));

/** Opens or closes the details of a line. @param {HTMLElement} row @param {Item} item */
export function toggleDetails(row, item) {
  if (!item.line) return;
  item.open = !item.open;
  row.querySelector(".details")?.remove();
  if (item.open) row.append(details(item.line));
  const button = row.querySelector("button.fold");
  if (button) button.ariaExpanded = String(item.open);
}

/** @param {RoomLine} line */
function details({ id, timestamp, metadata, vtid }) {
  const isTree = typeof metadata === "object" && metadata !== null;
  const field = (/** @type {string} */ name, /** @type {import("../dom.js").Child} */ value) =>
    h("div.field", h("dt", name), h("dd", value));
  return h(
    "div.details",
    h("dl", field("id", id), field("timestamp", timestamp), vtid !== null && field("task", taskLink(vtid))),
    metadata !== null && h("h3", "Metadata"),
    metadata !== null &&
      (isTree ? tree(/** @type {Record<string, unknown>} */ (metadata)) : h("bdi", String(metadata))),
  );
}

/**
 * The text of a line with its colours, and with marks where it contains the text of the search.
 *
 * @param {string} text
 * @param {import("./matches.js").Matches} matches
 */
function message(text, matches) {
  const segments = parseAnsi(text);
  const element = h("bdi.text");
  const marks = matches.marks(segments.map((segment) => segment.text).join(""));
  let at = 0;
  for (const { text, style } of segments) {
    const end = at + text.length;
    const parts = split(text, at, marks);
    if (style === null) element.append(...parts);
    else element.append(styled(parts, style));
    at = end;
  }
  return element;
}

/** @param {(string | HTMLElement)[]} parts @param {import("./ansi.js").Style} style */
function styled(parts, style) {
  const { classes, color, background } = look(style);
  const span = h("span", ...parts);
  span.className = classes.join(" ");
  // The policy of the page forbids styles in HTML, but allows a script to set them.
  if (color) span.style.color = color;
  if (background) span.style.backgroundColor = background;
  return span;
}

/**
 * Splits a part of a line at the marks.
 *
 * @param {string} text
 * @param {number} from Where the part begins in the line.
 * @param {readonly [number, number][]} marks
 * @returns {(string | HTMLElement)[]}
 */
function split(text, from, marks) {
  const parts = [];
  let at = 0;
  for (const [begin, end] of marks) {
    const [first, last] = [Math.max(begin - from, at), Math.min(end - from, text.length)];
    if (first >= last) continue;
    if (first > at) parts.push(text.slice(at, first));
    parts.push(h("mark", text.slice(first, last)));
    at = last;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** A line as text, without colours. @param {RoomLine} line */
export const lineText = ({ timestamp, agentType, level, message }) =>
  `${timestamp} ${agentType} ${level.toUpperCase()} ${plainText(message)}\n`;
