// Reads the audit log, and puts its rows and its summary into words.

import { isObject, toId } from "../../client/wire.js";
import { duration } from "../time.js";

/** @typedef {import("../../client/schemas.js").AuditRow} AuditRow */

const OPENED = "cast.sse_connection_opened";
const CLOSED = "cast.sse_connection_closed";
const REFUSED = "cast.sse_connection_failed";

/** The choices of the filter by action. */
export const CHOICES = [
  { action: "", name: "all" },
  { action: OPENED, name: "opened" },
  { action: CLOSED, name: "closed" },
  { action: REFUSED, name: "refused" },
];

/**
 * @param {unknown} body
 * @returns {{ rows: AuditRow[], next: number | null }} `next` is the `before` of the next page; null if this
 *   is the last page.
 */
export function toAudit(body) {
  const { rows, next } = isObject(body) ? body : { rows: null, next: null };
  return { rows: Array.isArray(rows) ? rows : [], next: toId(next) };
}

/** @param {number} count @param {string} one */
const counted = (count, one) => `${count.toLocaleString()} ${count === 1 ? one : `${one}s`}`;

/** @param {unknown} value */
const toCount = (value) => (typeof value === "number" ? value : 0);

/**
 * Puts a summary of the audit log into words: pairs of a name and a text.
 *
 * @param {Record<string, unknown>} summary
 * @returns {[string, string][]}
 */
export function connectionFacts({ open, opened, refused, duration: times, reasons, complete }) {
  /** @param {unknown} value */
  const streams = (value) => {
    const { streams, users } = isObject(value) ? value : { streams: 0, users: 0 };
    return `${counted(toCount(streams), "stream")} of ${counted(toCount(users), "user")}`;
  };
  const { median, average } = isObject(times) ? times : { median: null, average: null };
  const ends = (Array.isArray(reasons) ? reasons : [])
    .filter(isObject)
    .map(
      ({ reason, streams }) => `${toCount(streams).toLocaleString()} ${spaced(String(reason)) || "unknown"}`,
    );
  const facts = /** @type {[string, string][]} */ ([
    ["Open now", streams(open)],
    ["Begun", streams(opened)],
    ["Ended", ends.join(", ") || "none"],
    ["Refused", counted(toCount(refused), "request")],
  ]);
  if (typeof median === "number" && typeof average === "number")
    facts.push(["Duration", `median ${duration(median)}, average ${duration(average)}`]);
  if (complete === false) facts.push(["Incomplete", "only the newest rows of the log are counted"]);
  return facts;
}

/** @param {string} word */
const spaced = (word) => word.replaceAll("_", " ");

/**
 * The icon, the word and the details of a row.
 *
 * @param {AuditRow} row
 * @returns {{ sign: import("../labels.js").Icon, word: string, details: string }}
 */
export function auditRow({ action, reason = "", duration: ms, messages, status, code, path, count }) {
  switch (action) {
    case OPENED:
      return { sign: "working", word: "opened", details: "" };
    case CLOSED: {
      const events = messages != null && counted(messages, "event");
      const parts = [spaced(reason), ms != null && `after ${duration(ms)}`, events];
      return { sign: "stopped", word: "closed", details: parts.filter(Boolean).join(", ") };
    }
    case REFUSED: {
      const parts = [
        count !== undefined && `${count.toLocaleString()} more refusals in a minute`,
        [status, code].filter(Boolean).join(" "),
        path,
      ];
      return { sign: "lost", word: "refused", details: parts.filter(Boolean).join(", ") };
    }
    default:
      return { sign: "info", word: spaced(action.replace(/^cast\./, "")), details: "" };
  }
}
