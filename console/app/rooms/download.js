// Downloads the whole log of a room as a text file, from its first line to the newest line at the time of the
// click.

import { queryLines } from "../../client/roomquery.js";
import { GATEWAY } from "../address.js";
import { h } from "../dom.js";
import { lineText } from "./row.js";

const PAGE = 1_000;

/**
 * Reads all lines up to `last`.
 *
 * @param {typeof queryLines} query
 * @param {string} room
 * @param {{ token: string | undefined, last: number, signal: AbortSignal }} options
 * @param {(lines: number, share: number) => void} progress Called after each page, with the number of lines
 *   and the estimated share of the whole log.
 * @returns {Promise<Blob>}
 */
export async function readLog(query, room, { token, last, signal }, progress) {
  /** @type {Blob[]} */
  const parts = [];
  let lines = 0;
  let first = last;
  for (let after = 0; ; ) {
    const page = await query(room, { url: GATEWAY, token, after, limit: PAGE, signal });
    const wanted = page.lines.filter(({ id }) => id <= last);
    // The browser can keep a blob outside the memory of the page.
    parts.push(new Blob([wanted.map(lineText).join("")]));
    if (lines === 0) first = wanted[0]?.id ?? last;
    lines += wanted.length;
    const reached = Math.max(page.cursor ?? 0, page.lines.at(-1)?.id ?? 0);
    progress(lines, last > first ? Math.min(1, Math.max(0, (reached - first) / (last - first))) : 1);
    if (!page.more || reached >= last || reached <= after) break;
    after = reached;
  }
  return new Blob(parts, { type: "text/plain" });
}

/** Offers a file to the user. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const href = URL.createObjectURL(blob);
  const link = h("a", { href, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // Some browsers read the content only some time after the click.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
