// The journey drawn: lanes of bars and points over one axis.

import { fill, h } from "./dom.js";
import { toRows, toScale } from "./journey.js";
import { icon, kindWords, word } from "./look.js";
import { clock, DAY, duration, moment, ticks } from "./time.js";

/** @typedef {import("./journey.js").Item} Item */

const LANES = /** @type {const} */ ([
  ["code", "Code"],
  ["checks", "Checks"],
  ["deploys", "Deploys"],
  ["agents", "Agents"],
  ["events", "Events"],
]);

/**
 * @param {HTMLElement} chart
 * @param {Item[]} items
 * @param {number} now
 */
export function drawChart(chart, items, now) {
  const { scale, parts, from, to } = toScale(items, now);
  const width = Math.max(320, chart.clientWidth - 84);
  const lanes = LANES.flatMap(([lane, name]) => {
    const its = items.filter((item) => item.lane === lane);
    if (its.length === 0) return [];
    const rows = toRows(its, scale, now, (item) => (labelOf(item, now).length * 6.6 + 26) / width);
    const height = Math.max(...rows.map(({ row }) => row)) + 1;
    const track = h("div", { class: "track" }, ...rows.map((placed) => makeBar(placed, now)));
    track.style.height = `${height * 24 + 8}px`;
    return [
      h(
        "div",
        { class: "lane", role: "group", "aria-label": name },
        h("span", { class: "lane-name" }, name),
        track,
      ),
    ];
  });
  const axis = h("div", { class: "axis", "aria-hidden": "true" });
  const grid = h("div", { class: "grid", "aria-hidden": "true" });
  const round = (/** @type {number} */ share) => `${(100 * share).toFixed(3)}%`;
  let edge = 0;
  for (const part of parts) {
    if (part.folded) {
      const fold = h(
        "span",
        { class: "fold", title: `${duration(part.to - part.from)} without anything` },
        short(part.to - part.from),
      );
      fold.style.left = round(part.at + part.width / 2);
      axis.append(fold);
      const mark = h("i", { class: "folded" });
      mark.style.left = round(part.at);
      mark.style.width = round(part.width);
      grid.append(mark);
      edge = part.at + part.width;
      continue;
    }
    const most = Math.floor((part.width * width) / 90);
    if (most < 1) continue;
    const found = ticks(part.from, part.to, most);
    for (const at of found.at) {
      const share = scale(at);
      if (share < edge || share * width > width - 30) continue;
      const label = h(
        "span",
        { class: "tick" },
        found.step >= DAY || to - from > DAY
          ? moment(at, now)
          : found.step < 60_000
            ? clock(at)
            : clock(at).slice(0, 5),
      );
      const line = h("i", {});
      label.style.left = line.style.left = round(share);
      edge = share + 70 / width;
      axis.append(label);
      grid.append(line);
    }
  }
  const focused =
    document.activeElement instanceof HTMLElement && chart.contains(document.activeElement)
      ? document.activeElement.dataset.id
      : undefined;
  fill(
    chart,
    h("div", { class: "lane axis-lane" }, h("span", { class: "lane-name" }), axis),
    h("div", { class: "lanes" }, grid, ...lanes),
  );
  if (focused)
    /** @type {HTMLElement | null} */ (chart.querySelector(`button[data-id="${focused}"]`))?.focus({
      preventScroll: true,
    });
}

/** @param {number} ms */
const short = (ms) => duration(ms).replace(/ 0+ [a-z]$/, "");

/** @param {Item} item @param {number} now */
function labelOf(item, now) {
  if (item.point) return item.name;
  const took = (item.to ?? now) - (item.began ?? item.from);
  return `${item.name} ${item.attempt > 1 ? `(attempt ${item.attempt}) ` : ""}${duration(took)}`;
}

/** @param {ReturnType<typeof toRows>[number]} placed @param {number} now */
function makeBar({ item, row, left, right, flip }, now) {
  const { event } = item;
  const label = labelOf(item, now);
  const waited =
    item.began !== null && item.began > item.from ? `, queued ${duration(item.began - item.from)}` : "";
  const said = `${label}, ${word(event.status)}${waited}, ${kindWords(event.kind)} at ${clock(item.from)}`;
  const bar = h("button", {
    type: "button",
    class: `bar s-${event.status}${item.point ? " point" : ""}${flip ? " flip" : ""}${item.to === null ? " live" : ""}`,
    "aria-label": said,
    title: said,
    "data-id": event.id ?? "",
  });
  const length = h("span", { class: "length" });
  const share = right - left;
  if (!item.point && item.began !== null && item.began > item.from && item.to !== item.from) {
    const waiting = h("span", { class: "waiting" });
    waiting.style.width = `${(100 * (item.began - item.from)) / Math.max(1, (item.to ?? now) - item.from)}%`;
    length.append(waiting);
  }
  bar.style.left = `${(100 * left).toFixed(3)}%`;
  bar.style.width = `${(100 * share).toFixed(3)}%`;
  bar.style.top = `${row * 24 + 4}px`;
  bar.append(length, h("span", { class: "label" }, icon(event.status), h("bdi", {}, label)));
  return bar;
}
