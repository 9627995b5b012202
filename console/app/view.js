// Converts between the address and the view: the page, its filters and the open event.

import { decode } from "./links.js";
import { isSuccess } from "./sets.js";

/** The filters that the gateway also knows. Each filter is a list of values. One value must match. */
export const FACETS = /** @type {const} */ (["status", "source", "kind", "module", "layer", "vtid"]);

/** @typedef {(typeof FACETS)[number]} Facet */

/**
 * @typedef {object} View
 * @property {Page} page
 * @property {string} id What the page shows: the VTID of a task, or the id of a room or of a cast.
 * @property {string} q The text filter.
 * @property {Record<Facet, string[]>} facets
 * @property {boolean} hideGreen
 * @property {boolean} mine
 * @property {boolean} beats Whether agents' repeated pings are shown.
 * @property {number | null} event The id of the event in the drawer.
 * @property {string[]} levels The levels of the lines that the page of a room shows; empty means all.
 * @property {string[]} agents The same for the types of agents.
 * @property {string} user The user whose rows the audit log shows; empty means all.
 * @property {string} cast The same for the id of a cast.
 * @property {string} action The same for the action of a row.
 */

/** The paths of the pages. A path that ends with a slash is followed by the id of what the page shows. */
const PATHS = {
  home: "/",
  task: "/vtid/",
  agents: "/agents",
  rooms: "/rooms",
  room: "/rooms/",
  casts: "/casts",
  cast: "/casts/",
  audit: "/audit",
  canon: "/canon",
};

/** @typedef {keyof typeof PATHS} Page */
/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/** Limits for filters from the address. `MOST_VALUES` is also the gateway's limit for one filter. */
const MOST_VALUES = 50;
const MOST_TEXT = 200;

/**
 * @template T
 * @param {(facet: Facet) => T} make
 */
export const eachFacet = (make) =>
  /** @type {Record<Facet, T>} */ (Object.fromEntries(FACETS.map((facet) => [facet, make(facet)])));

/** @returns {View} */
export function home() {
  return {
    page: "home",
    id: "",
    q: "",
    facets: eachFacet(() => []),
    hideGreen: false,
    mine: false,
    beats: false,
    event: null,
    levels: [],
    agents: [],
    user: "",
    cast: "",
    action: "",
  };
}

/**
 * @param {string} pathname
 * @param {string} search
 * @returns {View}
 */
export function parseView(pathname, search) {
  const view = home();
  const [, folder = "", id = ""] = pathname.split("/");
  for (const page of PAGES)
    if (PATHS[page] === `/${folder}${id && "/"}`) Object.assign(view, { page, id: decode(id) });
  if (view.page === "task") view.id = view.id.toUpperCase();
  const query = new URLSearchParams(search);
  if (view.page === "audit")
    for (const name of AUDIT) view[name] = (query.get(name) ?? "").slice(0, MOST_TEXT);
  if (view.page === "room") {
    view.levels = valuesOf(query, "level").filter((level) => LEVELS.includes(level));
    view.agents = valuesOf(query, "agent").filter((agent) => /^[a-z][a-z0-9_-]{0,31}$/.test(agent));
  }
  view.q = (query.get("q") ?? "").slice(0, MOST_TEXT);
  for (const facet of FACETS) {
    const values = query.getAll(facet).flatMap((list) => list.split(","));
    const known = new Set(values.map((value) => normal(facet, value.trim())).filter(Boolean));
    view.facets[facet] = [...known].slice(0, MOST_VALUES);
  }
  view.hideGreen = query.get("hide") === "green";
  view.mine = query.get("mine") === "1";
  view.beats = query.get("heartbeats") === "1";
  const event = query.get("event") ?? "";
  view.event = /^[0-9]{1,15}$/.test(event) ? Number(event) : null;
  return view;
}

const PAGES = /** @type {Page[]} */ (Object.keys(PATHS));

/** The filters of the audit log. */
const AUDIT = /** @type {const} */ (["user", "cast", "action"]);

/** The levels of the lines of a room. */
const LEVELS = ["info", "success", "warn", "error"];

/** @param {URLSearchParams} query @param {string} name */
const valuesOf = (query, name) =>
  [...new Set(query.getAll(name).flatMap((list) => list.split(",")))].filter(Boolean).slice(0, MOST_VALUES);

/** Converts a value to the letter case that the gateway uses. @param {Facet} facet @param {string} value */
export const normal = (facet, value) =>
  ["kind", "source", "status"].includes(facet) ? value.toLowerCase() : value.toUpperCase();

/**
 * The shortest address from which parseView() makes the same view.
 *
 * @param {View} view
 */
export function formatView(view) {
  const query = new URLSearchParams();
  if (view.q) query.set("q", view.q);
  for (const facet of FACETS) {
    if (view.facets[facet].length > 0) query.set(facet, view.facets[facet].join(","));
  }
  if (view.hideGreen) query.set("hide", "green");
  if (view.mine) query.set("mine", "1");
  if (view.beats) query.set("heartbeats", "1");
  if (view.event !== null) query.set("event", String(view.event));
  if (view.levels.length > 0) query.set("level", view.levels.join(","));
  if (view.agents.length > 0) query.set("agent", view.agents.join(","));
  for (const name of AUDIT) if (view[name]) query.set(name, view[name]);
  const path = PATHS[view.page] + encodeURIComponent(view.id);
  const search = query.toString().replaceAll("%2C", ",");
  return search ? `${path}?${search}` : path;
}

/** @param {View} view */
export const filterCount = (view) =>
  FACETS.reduce((sum, facet) => sum + view.facets[facet].length, 0) +
  Number(view.q !== "") +
  Number(view.hideGreen) +
  Number(view.mine);

/** The part of a view of the home page that decides which events are shown. @param {View} view */
export const filterKey = (view) => formatView({ ...view, event: null });

/**
 * The filters that the gateway applies. The page itself applies the text filter and "Hide green".
 *
 * @param {View} view
 * @param {readonly string[]} starred
 * @returns {Partial<Record<Facet, string[]>>}
 */
export function serverFilters(view, starred) {
  /** @type {Partial<Record<Facet, string[]>>} */
  const filters = {};
  for (const facet of FACETS) {
    if (view.facets[facet].length > 0) filters[facet] = view.facets[facet];
  }
  if (view.mine) {
    const both =
      view.facets.vtid.length > 0 ? starred.filter((vtid) => view.facets.vtid.includes(vtid)) : [...starred];
    // If no starred task matches, request a task that does not exist. If more starred tasks match than the
    // gateway accepts in one filter, request the events of all tasks, and let the page filter them.
    if (both.length <= MOST_VALUES) filters.vtid = both.length > 0 ? both : ["NO-TASK-0000"];
  }
  return filters;
}

/** The maximum number of values of a facet that a menu lists. */
const MOST_OFFERED = 200;

/**
 * Counts a value of a facet. If there are more than 200 values, the least recently seen value is dropped.
 *
 * @param {Map<string, number>} counts
 * @param {string} value
 * @param {boolean} [older] Whether the event is older than all counted events.
 */
export function noteValue(counts, value, older = false) {
  const count = counts.get(value) ?? 0;
  if (older) {
    if (count > 0 || counts.size < MOST_OFFERED) counts.set(value, count + 1);
    return;
  }
  counts.delete(value);
  counts.set(value, count + 1);
  if (counts.size <= MOST_OFFERED) return;
  for (const oldest of counts.keys()) return void counts.delete(oldest);
}

/**
 * Makes the filter that decides which events are shown.
 *
 * @param {View} view
 * @param {readonly string[]} starred
 * @param {object} [options]
 * @param {boolean} [options.anyStatus] Whether to ignore the status, because the status of a run changes.
 * @param {(event: AnyEvent) => string} [options.nameOf] The name of the event's run, for the text filter.
 * @returns {(event: AnyEvent) => boolean}
 */
export function matcher(view, starred, { anyStatus = false, nameOf = () => "" } = {}) {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const facets = FACETS.filter(
    (facet) => view.facets[facet].length > 0 && !(anyStatus && facet === "status"),
  );
  const sets = facets.map((facet) => /** @type {const} */ ([facet, new Set(view.facets[facet])]));
  const mine = view.mine ? new Set(starred) : null;
  const hideGreen = view.hideGreen && !anyStatus;
  return (event) => {
    if (hideGreen && isSuccess(event.status)) return false;
    for (const [facet, set] of sets) if (!set.has(event[facet])) return false;
    if (mine && !mine.has(event.vtid)) return false;
    if (words.length === 0) return true;
    const { vtid, title, module, source, kind, status, link } = event;
    const texts = [vtid, title, module, source, kind, status, link ?? "", nameOf(event)];
    const text = texts.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
}
