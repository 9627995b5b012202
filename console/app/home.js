// The first page: failures and what runs on one side, the ticker on the other, filters above both.

import { beatFilter } from "./beats.js";
import { byId, fill, h, makeButton, on, panel, setText } from "./dom.js";
import { Filters } from "./filters.js";
import { howToSend } from "./how-to-send.js";
import { failureNote, icon, skeleton } from "./look.js";
import { Now } from "./now.js";
import { Ticker } from "./ticker.js";
import { moment } from "./time.js";
import { filterCount, filterKey, matcher, serverFilters, home as unfiltered } from "./view.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

const PAGE = 200;
/** A page of which the gateway leaves out little: under a free text most of it is read in vain. */
const BIG_PAGE = 1_000;
/** Pages that are read at once for a few rows, and how many rows these are. */
const MOST_PAGES = 10;
const ENOUGH = 20;

/** @type {Record<string, string>} */
const WHY_EMPTY = {
  "no-stars": "No task has a star yet. Open a task and press Star to follow it here.",
  "no-match": "Nothing matches these filters. New events that do will appear here.",
  gone: "Nothing can be shown until the gateway answers.",
};

export class Home {
  #context;
  /** Its own, as it was last looked at: the address may be that of another page. */
  view = unfiltered();
  #filters;
  #now;
  #ticker;
  #key = "";
  /** @type {(event: AnyEvent) => boolean} */
  #matches = () => true;
  /** Whether the filters choose what runs or has failed. @type {ReturnType<typeof matcher>} */
  runMatches = () => true;
  #notABeat = beatFilter();
  /** @type {AbortController | null} */
  #older = null;
  #atEnd = false;
  /** Up to when was searched, in vain. */
  #searched = 0;
  /** @type {unknown} */
  #error = null;
  /** Whether someone chose the side, which on a narrow screen is all there is. */
  #chosen = false;
  #unread = makeButton("unread", { hidden: true });
  #pause;
  #count = h("span.count");
  #note = h("div.ticker-note");
  #oldest = 0;
  element;
  title = "Live";

  /** @param {import("./main.js").Context} context */
  constructor(context) {
    this.#context = context;
    const { store } = context;
    this.#filters = new Filters(store, () => context.view, context.change);
    this.#now = new Now(
      store,
      context.dismissed,
      (run) => context.open(run.event),
      () => this.tick(Date.now()),
    );
    this.#pause = makeButton("small", {
      "aria-pressed": "false",
      "aria-keyshortcuts": "Space",
      onclick: () => this.togglePause(),
    });
    this.#ticker = new Ticker("Events, newest first", {
      open: (event) => context.open(event),
      unread: (count, paused) => this.#showUnread(count, paused),
      anew: () => this.show(true),
      bottom: () => {
        if (!this.#searched && !this.#error) void this.#loadOlder(true);
      },
      nameOf: (event) => store.runs.nameOf(event),
    });
    const { element } = this.#ticker;
    element.id = "ticker";
    on(store, "seeded learned", () => this.#ticker.rename());
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
        { role: "group", "aria-label": "What to show" },
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

  /** The view has changed, or what it is a view of. @param {boolean} [anew] */
  show(anew = false) {
    const { stars, store } = this.#context;
    if (this.#context.view.page === "home") this.view = this.#context.view;
    const view = this.view;
    this.#filters.show();
    const key = `${filterKey(view)}|${view.mine ? [...stars.values].join() : ""}`;
    if (key === this.#key && !anew) return;
    this.#key = key;
    const matches = this.#matcher(false);
    this.#notABeat = beatFilter(view.beats);
    this.#matches = (event) => matches(event) && this.#notABeat(event);
    this.runMatches = this.#matcher(true);
    this.#ticker.reset(store.events.filter((event) => this.#matches(event)));
    this.#older?.abort();
    this.#older = null;
    this.#atEnd = false;
    this.#oldest = this.#searched = 0;
    this.#error = null;
    if (store.feed.state === "live") void this.#loadOlder();
    this.tick(Date.now());
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
    if (replay && this.#oldest === 0) void this.#loadOlder();
  }

  /** The gateway answers, perhaps again: what could not be asked is asked now. */
  connected() {
    if (this.#oldest === 0 || this.#error) void this.#loadOlder();
  }

  /** What changes with time alone, and runs. @param {number} now */
  tick(now) {
    const shown = this.#now.show(now, this.runMatches, filterCount(this.view) > 0);
    setText(this.#count, this.#ticker.length.toLocaleString());
    this.#showNote();
    // Nothing runs while nothing has come, and what is simulated is in the ticker.
    const side = this.#context.store.feed.state === "mock" ? "ticker" : "now";
    if (!this.#chosen && this.element.dataset.side !== side) this.#side(side, false);
    return shown;
  }

  /**
   * Asks for what came before the oldest that is here; the gateway leaves out what it can.
   *
   * @param {boolean} [more] Whether some rows more are wanted, however many there are.
   */
  async #loadOlder(more = false) {
    const { stars, store } = this.#context;
    const view = this.view;
    if (this.#older || this.#atEnd || store.feed.state === "mock") return;
    const control = new AbortController();
    this.#older = control;
    this.#searched = 0;
    this.#error = null;
    this.#showNote();
    const starred = [...stars.values];
    const matches = this.#matcher(false);
    const limit = view.q || view.hideGreen ? BIG_PAGE : PAGE;
    try {
      let found = 0;
      let until = 0;
      const isEnough = () => this.#atEnd || found >= ENOUGH || (!more && this.#ticker.length >= 2 * ENOUGH);
      for (let pages = 0; pages === 0 || (pages < MOST_PAGES && !isEnough()); pages++) {
        // The feed begins without the pings that only repeat: where they are shown, its beginning is asked for as well.
        const anew = view.beats && this.#oldest === 0;
        const first = store.events.find((event) => event.id !== null)?.id ?? Number.MAX_SAFE_INTEGER;
        const before = this.#oldest || (anew ? undefined : first);
        const page = await store.query(serverFilters(view, starred), {
          before,
          limit,
          signal: control.signal,
        });
        if (control.signal.aborted) return;
        const last = page.events.at(-1);
        if (last) {
          this.#oldest = last.id;
          until = Date.parse(last.recorded_at);
        }
        this.#atEnd = page.next === null;
        const newest = page.events[0]?.id ?? 0;
        const events = page.events.reverse();
        if (filterCount(view) === 0) store.tally.takeOlder(events);
        const notABeat = beatFilter(view.beats);
        if (anew)
          this.#ticker.reset(store.events.filter(({ id }) => (id ?? 0) > newest).filter(this.#matches));
        // The feed may have begun meanwhile with some of them.
        const from = this.#ticker.oldest?.id ?? Number.POSITIVE_INFINITY;
        const fresh = events.filter((event) => event.id < from && matches(event) && notABeat(event));
        this.#ticker.prepend(fresh);
        found += fresh.length;
      }
      if (!isEnough()) this.#searched = until;
    } catch (error) {
      if (control.signal.aborted) return;
      this.#error = error;
    }
    this.#older = null;
    this.#showNote();
  }

  /** Why there is nothing to see. */
  #whyEmpty() {
    const { store, stars } = this.#context;
    const { state } = store.feed;
    if (state === "reconnecting" || state === "offline") return "gone";
    if (this.#older || state === "connecting") return "loading";
    if (this.view.mine && stars.values.size === 0) return "no-stars";
    return filterCount(this.view) > 0 ? "no-match" : "empty";
  }

  #showNote() {
    const some = this.#ticker.length > 0;
    const kind = this.#error ? "error" : this.#searched ? "searched" : some ? "" : this.#whyEmpty();
    const key = [kind, some, this.#searched, this.#error].join();
    const { dataset } = this.#note;
    if (dataset.key === key) return;
    dataset.key = key;
    dataset.kind = kind;
    this.#note.classList.toggle("below", some && kind !== "");
    const goOn = async () => {
      await this.#loadOlder(true);
      // The button that was pressed is gone.
      if (document.activeElement === document.body)
        (this.#note.querySelector("button") ?? byId("ticker")).focus({ preventScroll: true });
    };
    if (kind === "error") {
      const what = some ? "Older events can't be read" : "The events can't be read";
      fill(this.#note, ...failureNote(what, this.#error, goOn));
    } else if (kind === "searched") {
      const until = moment(this.#searched, Date.now());
      fill(
        this.#note,
        h("p", `Searched back to ${until}; ${some ? "few" : "none"} matched.`),
        makeButton("small", { onclick: goOn }, "Go on"),
      );
    } else if (kind === "loading") fill(this.#note, skeleton());
    else if (kind === "empty") fill(this.#note, howToSend());
    else fill(this.#note, kind && h("p", WHY_EMPTY[kind]));
  }

  /** @param {number} count @param {boolean} paused */
  #showUnread(count, paused) {
    const text = `${count.toLocaleString()} new`;
    this.#unread.hidden = count === 0;
    if (this.#unread.dataset.text !== text) {
      this.#unread.dataset.text = text;
      fill(this.#unread, text, h("span.arrow", { "aria-hidden": "true" }, "\u2191"));
    }
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
