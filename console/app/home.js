// The home page: failures and active runs on one side, the ticker on the other side, and filters above both.

import { beatFilter } from "./beats.js";
import { byId, fill, h, isNew, makeButton, on, panel, setText } from "./dom.js";
import { Filters } from "./filters.js";
import { howToSend } from "./how-to-send.js";
import { failureNote, icon, skeleton } from "./labels.js";
import { Now } from "./now.js";
import { Older } from "./older.js";
import { Ticker } from "./ticker.js";
import { moment } from "./time.js";
import { filterCount, filterKey, matcher, home as unfiltered } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/** @type {Record<string, string>} */
const WHY_EMPTY = {
  "no-stars": "No task has a star yet. To follow a task here, open the task and press Star.",
  "no-match": "No event matches these filters. New events that match will appear here.",
  gone: "Events appear here once the gateway responds.",
};

export class Home {
  #context;
  /** The last view of the home page, which stays the same while another page is open. */
  view = unfiltered();
  #filters;
  #now;
  #ticker;
  #key = "";
  /** @type {(event: AnyEvent) => boolean} */
  #matches = () => true;
  /** Whether the filters match a run. The status is ignored. @type {ReturnType<typeof matcher>} */
  runMatches = () => true;
  #older;
  /** Whether the user has chosen the side that a narrow screen shows. */
  #chosen = false;
  #unread = makeButton("unread", { hidden: true });
  #pause;
  #count = h("span.count");
  #note = h("div.ticker-note");
  element;
  title = "Live";

  /** @param {import("./router.js").Context} context */
  constructor(context) {
    this.#context = context;
    const { store } = context;
    this.#filters = new Filters(store, () => context.view, context.change);
    this.#now = new Now(context, () => this.tick(context.store.now()));
    this.#pause = makeButton("small", {
      "aria-pressed": "false",
      "aria-keyshortcuts": "Space",
      onclick: () => this.togglePause(),
    });
    this.#ticker = new Ticker("Events, newest first", context, {
      unread: (count, paused) => this.#showUnread(count, paused),
      refill: () => this.show(true),
      bottom: () => {
        if (!this.#older.searched && !this.#older.error) void this.#older.load(true);
      },
    });
    const { element } = this.#ticker;
    element.id = "ticker";
    this.#older = new Older(context, this.#ticker, () => this.#showNote());
    on(this.#unread, "click", () => this.#ticker.toTop());
    const list = panel(
      "ticker",
      "ticker-title",
      ["Ticker ", this.#count],
      this.#pause,
      h("div.list", this.#unread, element, this.#note),
    );
    /** @param {string} name @param {string} text */
    const tab = (name, text) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(name === "now"), onclick: () => this.#side(name, true) },
        text,
      );
    this.element = h(
      "div.home",
      { "data-side": "now" },
      h("h1.offscreen", "Live"),
      this.#filters.element,
      h(
        "div.sides",
        { role: "group", "aria-label": "Panel to show" },
        tab("now", "Now"),
        tab("ticker", "Ticker"),
      ),
      h("div.columns", this.#now.element, list),
    );
  }

  /** @param {string} name @param {boolean} chosen */
  #side(name, chosen) {
    this.#chosen ||= chosen;
    this.element.dataset.side = name;
    for (const button of this.element.querySelectorAll(".sides button")) {
      button.ariaPressed = String(button.textContent?.toLowerCase() === name);
    }
  }

  /** Shows the current view. @param {boolean} [force] Whether to refill the list if no filter has changed. */
  show(force = false) {
    const { stars, store } = this.#context;
    if (this.#context.view.page === "home") this.view = this.#context.view;
    const view = this.view;
    this.#filters.show();
    const key = `${filterKey(view)}|${view.mine ? [...stars.values].join() : ""}`;
    if (key === this.#key && !force) return;
    this.#key = key;
    const matches = this.#matcher(false);
    const notABeat = beatFilter(view.beats);
    this.#matches = (event) => matches(event) && notABeat(event);
    this.runMatches = this.#matcher(true);
    this.#ticker.reset(store.events.filter((event) => this.#matches(event)));
    this.#older.reset(view, matches);
    if (store.feed.state === "live") void this.#older.load();
    this.tick(store.now());
  }

  /** Called when another page is shown. */
  leave() {
    this.#filters.cancel();
  }

  /** @param {boolean} anyStatus */
  #matcher(anyStatus) {
    const { stars, store } = this.#context;
    return matcher(this.view, [...stars.values], {
      anyStatus,
      nameOf: (event) => store.runs.nameOf(event),
    });
  }

  /** @param {readonly AnyEvent[]} events @param {boolean} replay */
  take(events, replay) {
    this.#ticker.push(events.filter((event) => this.#matches(event)));
    if (replay && this.#older.isDue) void this.#older.load();
  }

  /** Called when the feed becomes live. Reads older events, if an earlier read failed or was not possible. */
  connected() {
    if (this.#older.isDue) void this.#older.load();
  }

  /** Updates the content that changes with time. @param {number} now */
  tick(now) {
    const shown = this.#now.show(now, this.runMatches, filterCount(this.view) > 0);
    setText(this.#count, this.#ticker.length.toLocaleString());
    this.#showNote();
    // In mock mode no event is stored, so a narrow screen shows the ticker with the simulated events.
    const side = this.#context.store.feed.state === "mock" ? "ticker" : "now";
    if (!this.#chosen && this.element.dataset.side !== side) this.#side(side, false);
    return shown;
  }

  /** The reason why the list is empty. */
  #whyEmpty() {
    const { store, stars } = this.#context;
    const { state } = store.feed;
    if (state === "reconnecting" || state === "offline") return "gone";
    if (this.#older.isLoading || state === "connecting") return "loading";
    if (this.view.mine && stars.values.size === 0) return "no-stars";
    return filterCount(this.view) > 0 ? "no-match" : "empty";
  }

  #showNote() {
    const { error, searched } = this.#older;
    const hasRows = this.#ticker.length > 0;
    const kind = error ? "error" : searched ? "searched" : hasRows ? "" : this.#whyEmpty();
    const key = [kind, hasRows, searched, error].join();
    if (!isNew(this.#note, key)) return;
    this.#note.dataset.kind = kind;
    this.#note.classList.toggle("below", hasRows && kind !== "");
    const searchFurther = async () => {
      await this.#older.load(true);
      // The button that was pressed has been removed, so move the focus to another element.
      if (document.activeElement === document.body)
        (this.#note.querySelector("button") ?? byId("ticker")).focus({ preventScroll: true });
    };
    if (kind === "error") {
      const what = hasRows ? "Older events can't be read" : "The events can't be read";
      fill(this.#note, ...failureNote(what, error, searchFurther));
    } else if (kind === "searched") {
      const until = moment(searched, Date.now());
      fill(
        this.#note,
        h("p", `Searched back to ${until}: ${hasRows ? "few" : "no"} events matched.`),
        makeButton("small", { onclick: searchFurther }, "Search further"),
      );
    } else if (kind === "loading") fill(this.#note, skeleton());
    else if (kind === "empty") fill(this.#note, howToSend());
    else fill(this.#note, kind && h("p", WHY_EMPTY[kind]));
  }

  /** @param {number} count @param {boolean} paused */
  #showUnread(count, paused) {
    const text = `${count.toLocaleString()} new`;
    this.#unread.hidden = count === 0;
    if (isNew(this.#unread, text))
      fill(this.#unread, text, h("span.arrow", { "aria-hidden": "true" }, "\u2191"));
    const pressed = String(paused);
    if (this.#pause.ariaPressed === pressed && this.#pause.hasChildNodes()) return;
    this.#pause.ariaPressed = pressed;
    fill(this.#pause, icon(paused ? "working" : "idle"), paused ? "Resume" : "Pause");
  }

  togglePause() {
    this.#ticker.pause(!this.#ticker.paused);
  }

  focusSearch() {
    this.#filters.focus();
  }

  /** @param {number} by */
  move(by) {
    if (this.element.dataset.side !== "ticker") this.#side("ticker", true);
    this.#ticker.move(by);
  }

  openSelected() {
    return this.#ticker.openSelected();
  }
}
