// Draws a task's journey: lanes of bars and points over one time axis.

import { manyOf, toRows, toScale } from "./axis.js";
import { fill, h, keyed, part, setText } from "./dom.js";
import { kindWords } from "./kinds.js";
import { icon } from "./labels.js";
import { word } from "./sets.js";
import { clock, DAY, duration, moment, ticks } from "./time.js";

/** @typedef {import("./journey.js").Item} Item */

/** The lanes from top to bottom. @type {Record<import("./sets.js").Lane, string>} */
const LANES = { code: "Code", checks: "Checks", deploys: "Deploys", agents: "Agents", events: "Events" };

/** The width of the name of a shared row, in pixels. */
const NAME = 110;

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(3)}%`;

/**
 * @param {HTMLElement} chart
 * @param {Item[]} items
 * @param {number} now
 */
export function drawChart(chart, items, now) {
  const width = Math.max(320, chart.clientWidth - 84);
  const many = manyOf(items);
  const { scale, parts, from, to } = toScale(items, now, many.size > 0 ? NAME / width : 0);
  const axis = h("div.axis", { "aria-hidden": "true" });
  const grid = h("div.grid", { "aria-hidden": "true" });
  let edge = 0;
  for (const part of parts) {
    if (part.folded) {
      const fold = h(
        "span.fold",
        { title: `${duration(part.to - part.from)} without activity` },
        brief(part.to - part.from),
      );
      fold.style.left = percent(part.at + part.width / 2);
      axis.append(fold);
      const mark = h("i.folded");
      mark.style.left = percent(part.at);
      mark.style.width = percent(part.width);
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
        "span.tick",
        found.step >= DAY || to - from > DAY
          ? moment(at, now)
          : found.step < 60_000
            ? clock(at)
            : clock(at).slice(0, 5),
      );
      const line = h("i");
      label.style.left = line.style.left = percent(share);
      edge = share + 70 / width;
      axis.append(label);
      grid.append(line);
    }
  }
  if (!chart.querySelector(".lanes")) {
    fill(chart, h("div.lane.axis-lane", h("span.lane-name"), h("div")), h("div.lanes", h("div"), h("div")));
  }
  for (const [at, drawn] of /** @type {const} */ ([
    [".axis-lane > :last-child", axis],
    [".lanes > :first-child", grid],
  ])) {
    const old = chart.querySelector(at);
    if (!old?.isEqualNode(drawn)) old?.replaceWith(drawn);
  }
  keyed(
    part(chart, ".lanes > :last-child"),
    Object.entries(LANES).filter(([lane]) => items.some((item) => item.lane === lane)),
    ([lane]) => lane,
    ([, name]) =>
      h(
        "div.lane",
        { role: "group", "aria-label": name },
        h("span.lane-name", name),
        h("div.track"),
        h("div.names", { "aria-hidden": "true" }),
      ),
    (element, [lane]) => {
      const laneItems = items.filter((item) => item.lane === lane);
      const rows = toRows(
        laneItems,
        scale,
        now,
        (item, name) => (labelOf(item, now, name).length * 6.6 + 26) / width,
        many,
        16 / width,
      );
      const [, track, names] = /** @type {Iterable<HTMLElement>} */ (element.children);
      if (!track || !names) return;
      fill(names);
      for (const [row, name] of new Map(rows.map((placed) => [placed.row, placed.name]))) {
        const label = h("span.clip", name);
        label.style.top = `${row * 24 + 4}px`;
        names.append(label);
      }
      track.style.height = `${(Math.max(...rows.map(({ row }) => row)) + 1) * 24 + 8}px`;
      keyed(
        track,
        rows,
        ({ item }) => item.key,
        makeBar,
        (bar, placed) => showBar(bar, placed, now),
      );
    },
  );
}

/** @param {number} ms */
const brief = (ms) => duration(ms).replace(/ 0+ [a-z]$/, "");

/** @param {Item} item @param {number} now @param {string} [row] The name that the row shows. */
function labelOf(item, now, row = "") {
  if (item.point) return item.name;
  const attempt = item.attempt > 1 && `(attempt ${item.attempt})`;
  return [!row && item.name, attempt, lengthOf(item, now)].filter(Boolean).join(" ");
}

/**
 * The length of a bar in words. The bar includes the time in the queue, so the words include this time, too.
 *
 * @param {Item} item
 * @param {number} now
 */
export function lengthOf({ from, began, to }, now) {
  const waited = (began ?? from) - from;
  const ran = duration((to ?? now) - (began ?? from));
  return waited < 1_000 ? ran : `${duration(waited)} queued + ${ran}`;
}

const makeBar = () =>
  h(
    "button",
    { type: "button" },
    h("span.length", h("span.waiting")),
    h("span.label", icon("info"), h("bdi")),
  );

/**
 * Updates a bar in place, so that an open tooltip stays.
 *
 * @param {HTMLElement} bar
 * @param {ReturnType<typeof toRows>[number]} placed
 * @param {number} now
 */
function showBar(bar, { item, row, name, left, right, flip, labelled }, now) {
  const { event } = item;
  const label = labelOf(item, now);
  const waits = item.began !== null && item.began > item.from;
  const title = `${label}, ${word(event.status)}, ${kindWords(event.kind)} at ${clock(item.from)}`;
  if (!bar.classList.contains(`s-${event.status}`))
    bar.querySelector(".icon")?.replaceWith(icon(event.status));
  const kinds = [item.point && "point", flip && "flip", item.to === null && "live"];
  bar.className = ["bar", `s-${event.status}`, ...kinds].filter(Boolean).join(" ");
  bar.title = bar.ariaLabel = title;
  bar.dataset.id = String(event.id ?? "");
  setText(part(bar, "bdi"), labelled ? labelOf(item, now, name) : "");
  const waiting = part(bar, ".waiting");
  const queued =
    waits && !item.point ? ((item.began ?? 0) - item.from) / Math.max(1, (item.to ?? now) - item.from) : 0;
  waiting.style.width = percent(queued);
  bar.style.left = percent(left);
  bar.style.width = percent(right - left);
  bar.style.top = `${row * 24 + 4}px`;
}
