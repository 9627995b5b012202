// The bar above the lines of a room: filters, the search, and buttons.

import { h, keyed, makeButton, on, setText } from "../dom.js";
import { icon } from "../labels.js";
import { ICONS, LEVELS } from "./row.js";

/** @typedef {import("../view.js").View} View */

/** The search begins this long after the last key press. */
const PAUSE_MS = 150;
/** The maximum number of types of agents that the bar offers. */
const MOST_AGENTS = 12;

/**
 * @typedef {object} Actions
 * @property {(change: Partial<View>) => void} filter
 * @property {(q: string) => void} search
 * @property {(by: 1 | -1) => void} find
 * @property {() => void} follow
 * @property {() => void} wrap
 * @property {() => Promise<boolean>} copy
 * @property {() => void} download
 */

/**
 * @typedef {object} Shown
 * @property {import("./lines.js").RoomLines} lines
 * @property {import("./matches.js").Matches} matches
 * @property {View} view
 * @property {boolean} follows
 * @property {boolean} wraps
 * @property {boolean} isClosed
 */

export class RoomTools {
  element;
  #actions;
  #view = /** @type {View | null} */ (null);
  #levels = h("div.switches", { role: "group", "aria-label": "Levels" });
  #agents = h("div.switches.agents-of", { role: "group", "aria-label": "Agents" });
  #input = h("input", {
    type: "search",
    placeholder: "Search the lines",
    "aria-label": "Search the lines",
    maxlength: 200,
  });
  #found = h("span.found.quiet", { role: "status" });
  #previous;
  #next;
  #follow;
  #wrap;
  #copy;
  #download;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    const find = (/** @type {1 | -1} */ by) => () => actions.find(by);
    this.#previous = makeButton("tool.up", {
      title: "Previous match (k)",
      "aria-label": "Previous match",
      onclick: find(-1),
    });
    this.#next = makeButton("tool", {
      title: "Next match (j)",
      "aria-label": "Next match",
      onclick: find(1),
    });
    this.#previous.append(icon("down"));
    this.#next.append(icon("down"));
    this.#follow = makeButton("switch.follow", { onclick: actions.follow, title: "Space" }, "Follow");
    this.#wrap = makeButton("switch", { onclick: actions.wrap }, "Wrap");
    this.#copy = makeButton(
      "small",
      { title: "Copy the lines that are loaded and match the filter" },
      "Copy",
    );
    this.#download = makeButton("small", { onclick: actions.download, title: "The whole log" }, "Download");
    on(this.#copy, "click", async () => {
      setText(this.#copy, (await actions.copy()) ? "Copied" : "Copy failed");
      setTimeout(() => setText(this.#copy, "Copy"), 1_500);
    });
    on(this.#input, "input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), PAUSE_MS);
    });
    on(this.#input, "keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      clearTimeout(this.#timer);
      this.#search();
      actions.find(event.shiftKey ? -1 : 1);
    });
    this.element = h(
      "div.log-tools",
      h("div.log-filters", this.#levels, this.#agents),
      h("div.finder", h("div.search", this.#input, h("kbd", "/")), this.#previous, this.#next, this.#found),
      h("div.switches.last", this.#follow, this.#wrap, this.#copy, this.#download),
    );
  }

  #search() {
    if (this.#view && this.#input.value !== this.#view.q) this.#actions.search(this.#input.value);
  }

  focusSearch() {
    this.#input.focus();
    this.#input.select();
  }

  /** @param {Shown} shown */
  show({ lines, matches, view, follows, wraps, isClosed }) {
    this.#view = view;
    if (document.activeElement !== this.#input && this.#input.value !== view.q) this.#input.value = view.q;
    keyed(
      this.#levels,
      LEVELS,
      (level) => level,
      (level) => this.#switch("levels", level, ICONS[level]),
      (button, level) => {
        button.ariaPressed = String(view.levels.includes(level));
        button.title = `${lines.levels[level].toLocaleString()} of the lines that are loaded`;
      },
    );
    const seen = [...lines.agents].sort(([, a], [, b]) => b - a).map(([agent]) => agent);
    const offered = [...new Set([...view.agents, ...seen.slice(0, MOST_AGENTS)])].sort();
    keyed(
      this.#agents,
      offered.length > 1 || view.agents.length > 0 ? offered : [],
      (agent) => agent,
      (agent) => this.#switch("agents", agent, null),
      (button, agent) => {
        button.ariaPressed = String(view.agents.includes(agent));
      },
    );
    this.#follow.ariaPressed = String(follows);
    this.#follow.hidden = isClosed;
    this.#wrap.ariaPressed = String(wraps);
    this.#copy.hidden = this.#download.hidden = lines.length === 0;
    const isSearching = matches.query !== "";
    this.#previous.hidden = this.#next.hidden = !isSearching;
    const { count, position } = matches;
    const all = `${count.toLocaleString()} ${count === 1 ? "line" : "lines"}`;
    const place = position > 0 ? `${position.toLocaleString()} of ${all}` : count > 0 ? all : "no match";
    setText(this.#found, isSearching ? place : "");
  }

  /**
   * @param {"levels" | "agents"} name
   * @param {string} value
   * @param {import("../labels.js").Icon | null} sign
   */
  #switch(name, value, sign) {
    const onclick = () => {
      const now = this.#view?.[name] ?? [];
      const isSet = now.includes(value);
      this.#actions.filter({ [name]: isSet ? now.filter((one) => one !== value) : [...now, value] });
    };
    return makeButton(`switch.of-${name}`, { onclick }, sign && icon(sign), h("bdi", value));
  }

  /** @param {string | null} progress Null if no download runs. */
  showDownload(progress) {
    setText(this.#download, progress ?? "Download");
  }
}
