// Keeps the view and the address in sync. A click on a link to another view does not reload the page.

import { addressOf, pathOf } from "./address.js";
import { closest, on } from "./dom.js";
import { formatView, parseView } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */
/** @typedef {import("./view.js").View} View */

/**
 * The state and actions that the views share.
 *
 * @typedef {object} Context
 * @property {import("./store.js").Store} store
 * @property {View} view
 * @property {import("./settings.js").KeptSet} stars
 * @property {import("./settings.js").KeptSet} dismissed
 * @property {import("./agents.js").Agents} agents
 * @property {(change: Partial<View>, replace: boolean) => void} change
 * @property {(event: AnyEvent) => void} open
 * @property {(id: number) => void} openId
 * @property {() => void} closed
 */

/** @param {URL | Location} address */
const viewOf = ({ pathname, search }) => parseView(pathOf(pathname), search);

export class Router {
  view = viewOf(location);
  #show;

  /** @param {(before: View) => void} show */
  constructor(show) {
    this.#show = show;
    on(window, "popstate", () => this.#set(viewOf(location)));
    on(document, "click", (event) => {
      const link = closest(event, "a[data-route]");
      const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
      if (!link || event.defaultPrevented || !isPlain) return;
      event.preventDefault();
      this.go(viewOf(new URL(link.getAttribute("href") ?? "", location.href)), false);
    });
  }

  /** @param {View} view @param {boolean} replace Whether the view replaces the current history entry. */
  go(view, replace) {
    const address = addressOf(formatView(view));
    if (address === `${location.pathname}${location.search}`) return;
    const state = view.event === null ? null : this.view.event === null ? { opened: true } : history.state;
    history[replace ? "replaceState" : "pushState"](state, "", address);
    this.#set(view);
  }

  /** Opens an event. A move from one open event to the next adds no history entry. @param {number} event */
  openEvent(event) {
    this.go({ ...this.view, event }, this.view.event !== null);
  }

  /** Closes the event. Goes back if opening the event added a history entry; otherwise replaces the entry. */
  closeEvent() {
    if (this.view.event === null) return;
    if (history.state?.opened) history.back();
    else this.go({ ...this.view, event: null }, true);
  }

  /** @param {View} view */
  #set(view) {
    const before = this.view;
    this.view = view;
    this.#show(before);
  }
}
