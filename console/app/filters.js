// The filter bar: a text field, a menu per facet, switches, and a removable chip per active filter.

import { closest, fill, h, makeButton, on } from "./dom.js";
import { kindWords } from "./kinds.js";
import { icon } from "./labels.js";
import { STATUSES, sourceFacts, word } from "./sets.js";
import { eachFacet, FACETS, filterCount, normal } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./view.js").Facet} Facet */

/** @type {Record<Facet, string>} */
const NAMES = {
  status: "Status",
  source: "Source",
  kind: "Event",
  module: "Module",
  layer: "Layer",
  vtid: "Task",
};
/** The text filter waits for this pause in typing, because each change filters all events again. */
const TYPING_MS = 150;

/** @param {string} value */
const asIs = (value) => value;

/**
 * For each facet, a function that returns the displayed form of a value. A value may be any text, because
 * values also come from the address.
 *
 * @type {Record<Facet, (value: any) => string>}
 */
const SHOWN = {
  status: word,
  source: (value) => sourceFacts(value).name,
  kind: kindWords,
  module: asIs,
  layer: asIs,
  vtid: asIs,
};

export class Filters {
  #store;
  #view;
  #change;
  #text;
  #chips = h("div.chips", { "aria-label": "Active filters", role: "group" });
  /** @type {Map<string, HTMLButtonElement>} */
  #switches = new Map();
  /** @type {Map<Facet, HTMLButtonElement>} */
  #buttons = new Map();
  /** @type {{ facet: Facet, menu: HTMLElement } | null} */
  #open = null;
  #typing = false;
  #shownText = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wait;
  element;

  /**
   * @param {import("./store.js").Store} store
   * @param {() => View} view
   * @param {(change: Partial<View>, replace: boolean) => void} change
   */
  constructor(store, view, change) {
    this.#store = store;
    this.#view = view;
    this.#change = change;
    this.#text = h("input", {
      type: "search",
      id: "search",
      placeholder: "Filter by any text",
      "aria-label": "Filter by text",
      "aria-keyshortcuts": "/",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 200,
      oninput: () => {
        clearTimeout(this.#wait);
        this.#wait = setTimeout(() => {
          // Only the first change adds a history entry, because the Back button must remove the whole text.
          this.#change({ q: this.#text.value }, this.#typing);
          this.#typing = true;
        }, TYPING_MS);
      },
      onblur: () => {
        this.#typing = false;
      },
    });
    const menus = FACETS.map((facet) => {
      const button = makeButton(
        "facet",
        { "aria-haspopup": "true", "aria-expanded": "false", onclick: () => this.#toggle(facet) },
        NAMES[facet],
        icon("down"),
      );
      this.#buttons.set(facet, button);
      return h("div.menu-of", button);
    });
    /** @param {"hideGreen" | "mine" | "beats"} name @param {string} text @param {string} title */
    const toggle = (name, text, title) => {
      const button = makeButton(
        "switch",
        {
          "aria-pressed": "false",
          title,
          onclick: () => this.#change({ [name]: !this.#view()[name] }, false),
        },
        text,
      );
      this.#switches.set(name, button);
      return button;
    };
    this.element = h(
      "div.filters",
      { role: "search", "aria-label": "Filters" },
      h("div.search", this.#text, h("kbd", { "aria-hidden": "true" }, "/")),
      h("div.facets", ...menus),
      h(
        "div.switches",
        toggle("hideGreen", "Hide green", "Hide events with status success"),
        toggle("mine", "My tasks", "Show only tasks with a star"),
        toggle("beats", "Heartbeats", "Also show pings that repeat an agent's last ping"),
      ),
      this.#chips,
    );
    on(document, "pointerdown", (event) => {
      if (this.#open && !closest(event, ".menu-of")) this.#close(false);
    });
    on(this.element, "keydown", (event) => {
      if (event.key !== "Escape" || !this.#open) return;
      event.stopPropagation();
      this.#close(true);
    });
    on(window, "popstate", () => this.#close(false));
    on(this.element, "focusout", (event) => {
      const to = /** @type {Element | null} */ (event.relatedTarget);
      if (this.#open && to && !to.closest(".menu-of")) this.#close(false);
    });
    this.show();
  }

  /** Shows the filters of the current view. */
  show() {
    const view = this.#view();
    if (this.#text.value !== view.q && this.#shownText !== view.q) this.#text.value = view.q;
    this.#shownText = view.q;
    for (const [name, button] of this.#switches) {
      button.ariaPressed = String(view[/** @type {"hideGreen" | "mine" | "beats"} */ (name)]);
    }
    for (const [facet, button] of this.#buttons)
      button.classList.toggle("set", view.facets[facet].length > 0);
    const chips = FACETS.flatMap((facet) =>
      view.facets[facet].map((value) =>
        makeButton(
          "chip",
          { onclick: () => this.#remove(facet, value) },
          h("span.offscreen", "Remove "),
          h("span.of", NAMES[facet]),
          " ",
          h("bdi", SHOWN[facet](value)),
          icon("close"),
        ),
      ),
    );
    const clear = () =>
      this.#change(
        {
          q: "",
          facets: eachFacet(() => []),
          hideGreen: false,
          mine: false,
        },
        false,
      );
    const all = filterCount(view) > 1 && makeButton("link", { onclick: clear }, "Clear all");
    fill(this.#chips, ...chips, all);
  }

  /** Drops a text that was typed just before the user left the page. */
  cancel() {
    clearTimeout(this.#wait);
    this.#text.value = this.#shownText;
  }

  focus() {
    this.#text.focus();
    this.#text.select();
  }

  /** Removes a filter and moves the focus to the next chip. @param {Facet} facet @param {string} value */
  #remove(facet, value) {
    const chips = () => [.../** @type {NodeListOf<HTMLElement>} */ (this.#chips.querySelectorAll(".chip"))];
    const at = chips().indexOf(/** @type {HTMLElement} */ (document.activeElement));
    this.#set(facet, value, false);
    (chips()[at] ?? chips().at(-1) ?? this.#text).focus();
  }

  /** @param {Facet} facet @param {string} value @param {boolean} isSet */
  #set(facet, value, isSet) {
    const { facets } = this.#view();
    const values = facets[facet].filter((other) => other !== value);
    this.#change({ facets: { ...facets, [facet]: isSet ? [...values, value] : values } }, false);
  }

  /** @param {Facet} facet */
  #toggle(facet) {
    const same = this.#open?.facet === facet;
    this.#close(false);
    if (same) return;
    const view = this.#view();
    const counts = this.#store.tally.facets[facet];
    const seen = facet === "status" ? STATUSES : [...counts.keys()].sort();
    const values = [...new Set([...view.facets[facet], ...seen])];
    const list = h("div.options");
    const draw = (/** @type {string} */ text) => {
      const found = values.filter((value) => SHOWN[facet](value).toLowerCase().includes(text.toLowerCase()));
      fill(
        list,
        ...found.slice(0, 200).map((value) =>
          h(
            "label",
            h("input", {
              type: "checkbox",
              checked: this.#view().facets[facet].includes(value),
              onchange: (/** @type {any} */ event) => this.#set(facet, value, event.target.checked),
            }),
            h("bdi", SHOWN[facet](value)),
            h("span.times", counts.get(value) ?? ""),
          ),
        ),
        found.length === 0 && h("p.quiet", text ? "Press Enter to add this value" : "No values yet"),
      );
    };
    const input =
      facet !== "status" &&
      h("input.small", {
        type: "text",
        placeholder: `Find or add`,
        "aria-label": `Find or add a value for ${NAMES[facet]}`,
        autocomplete: "off",
        spellcheck: "false",
        oninput: (/** @type {any} */ event) => draw(event.target.value.trim()),
        onkeydown: (/** @type {any} */ event) => {
          const value = normal(facet, event.target.value.trim());
          if (event.key !== "Enter" || !value || value.includes(",")) return;
          this.#set(facet, value, true);
          this.#close(true);
        },
      });
    draw("");
    const { total } = this.#store.tally;
    const basis = total > 0 && h("p.basis", `Counts of the last ${total.toLocaleString()} events`);
    const menu = h("div.menu", { role: "group", "aria-label": NAMES[facet] }, input, list, basis);
    const button = this.#buttons.get(facet);
    if (button) button.ariaExpanded = "true";
    button?.after(menu);
    this.#open = { facet, menu };
    menu.querySelector("input")?.focus();
  }

  /** @param {boolean} focus */
  #close(focus) {
    if (!this.#open) return;
    const { facet, menu } = this.#open;
    this.#open = null;
    menu.remove();
    const button = this.#buttons.get(facet);
    if (button) button.ariaExpanded = "false";
    if (focus) button?.focus();
  }
}
