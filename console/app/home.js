// The first page: failures and what runs on one side, the ticker on the other, filters above both.

import { copy, fill, h, makeButton, setText } from "./dom.js";
import { Filters } from "./filters.js";
import { icon, skeleton } from "./look.js";
import { Now } from "./now.js";
import { Ticker, tickerHead } from "./ticker.js";
import { filterCount, filterKey, matcher, serverFilters } from "./view.js";

/** @typedef {import("./runs.js").AnyEvent} AnyEvent */

const PAGE = 200;

/** @type {Record<string, string>} */
const EMPTY = {
  "no-stars": "No task has a star yet. Open a task and press Star to follow it here.",
  "no-match": "Nothing matches these filters. New events that do will appear here.",
  gone: "Nothing can be shown until the gateway answers.",
};

/** What a ping says beyond being alive: the last state of each agent. @returns {(event: AnyEvent) => boolean} */
export function beatFilter() {
  /** @type {Map<string, string>} */
  const last = new Map();
  return (event) => {
    if (event.source !== "agent.ping" || event.kind !== "ping") return true;
    const says = `${event.vtid}|${event.status}`;
    if (last.get(event.module) === says) return false;
    if (last.size > 5_000) last.clear();
    last.set(event.module, says);
    return true;
  };
}

export class Home {
  #context;
  #filters;
  #now;
  #ticker;
  #key = "";
  /** @type {(event: AnyEvent) => boolean} */
  #matches = () => true;
  /** @type {ReturnType<typeof matcher>} */
  #runMatches = () => true;
  #notABeat = beatFilter();
  /** @type {AbortController | null} */
  #older = null;
  #atEnd = false;
  #unread = makeButton("unread", { hidden: true });
  #pause;
  #count = h("span", { class: "count" });
  #note = h("div", { class: "ticker-note" });
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
    const scroller = h("div", {
      class: "scroller",
      tabindex: 0,
      role: "table",
      "aria-label": "Events, newest first",
      id: "ticker",
    });
    this.#pause = makeButton("small", {
      "aria-pressed": "false",
      "aria-keyshortcuts": "Space",
      onclick: () => this.togglePause(),
    });
    const head = tickerHead();
    scroller.append(h("div", { role: "rowgroup", class: "head-group" }, head));
    this.#ticker = new Ticker(scroller, {
      open: (event) => context.open(event),
      unread: (count, paused) => this.#showUnread(count, paused),
      bottom: () => void this.#loadOlder(),
      nameOf: (event) => store.runs.nameOf(event),
    });
    for (const name of ["seeded", "learned"]) store.addEventListener(name, () => this.#ticker.rename());
    this.#unread.addEventListener("click", () => this.#ticker.toTop());
    const list = h(
      "section",
      { class: "panel ticker", "aria-labelledby": "ticker-title" },
      h("header", {}, h("h2", { id: "ticker-title" }, "Ticker ", this.#count), this.#pause),
      h("div", { class: "list" }, this.#unread, scroller, this.#note),
    );
    /** @param {string} name @param {string} text */
    const tab = (name, text) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(name === "now"), onclick: () => this.#side(name) },
        text,
      );
    this.element = h(
      "div",
      { class: "home", "data-side": "now" },
      h("h1", { class: "offscreen" }, "Live"),
      this.#filters.element,
      h(
        "div",
        { class: "sides", role: "group", "aria-label": "What to show" },
        tab("now", "Now"),
        tab("ticker", "Ticker"),
      ),
      h("div", { class: "columns" }, this.#now.element, list),
    );
  }

  /** @param {string} name */
  #side(name) {
    this.element.dataset.side = name;
    for (const button of this.element.querySelectorAll(".sides button")) {
      button.ariaPressed = String(button.textContent?.toLowerCase() === name);
    }
  }

  /** The view has changed, or what it is a view of. @param {boolean} [anew] */
  show(anew = false) {
    const { view, stars, store } = this.#context;
    this.#filters.show();
    const key = `${filterKey(view)}|${view.mine ? [...stars.values].join() : ""}`;
    if (key === this.#key && !anew) return;
    this.#key = key;
    const starred = [...stars.values];
    const matches = matcher(view, starred);
    this.#notABeat = view.beats ? () => true : beatFilter();
    this.#matches = (event) => matches(event) && this.#notABeat(event);
    this.#runMatches = matcher(view, starred, { anyStatus: true });
    this.#ticker.reset(store.events.filter((event) => this.#matches(event)));
    this.#older?.abort();
    this.#older = null;
    this.#atEnd = false;
    this.#oldest = 0;
    fill(this.#note);
    if (store.feed.state === "live") void this.#loadOlder();
    this.tick(Date.now());
  }

  /** @param {readonly AnyEvent[]} events @param {boolean} replay */
  take(events, replay) {
    this.#ticker.push(events.filter((event) => this.#matches(event)));
    if (replay && this.#oldest === 0) void this.#loadOlder();
  }

  /** The gateway answers, perhaps again: what could not be asked is asked now. */
  connected() {
    if (this.#oldest === 0) void this.#loadOlder();
  }

  /** What changes with time alone, and runs. @param {number} now */
  tick(now) {
    const shown = this.#now.show(now, this.#runMatches, filterCount(this.#context.view) > 0);
    setText(this.#count, this.#ticker.length.toLocaleString());
    this.#showEmpty();
    return shown;
  }

  /** Asks for what came before the oldest that is here; the gateway leaves out what it can. */
  async #loadOlder() {
    const { view, stars, store } = this.#context;
    if (this.#older || this.#atEnd || store.feed.state === "mock") return;
    const control = new AbortController();
    this.#older = control;
    // The feed begins without the pings that only repeat: where they are shown, its beginning is asked for as well.
    const anew = view.beats && this.#oldest === 0;
    const first = store.events.find((event) => event.id !== null)?.id ?? Number.MAX_SAFE_INTEGER;
    const before = this.#oldest || (anew ? undefined : first);
    try {
      const found = await store.query(serverFilters(view, [...stars.values]), {
        before,
        limit: PAGE,
        signal: control.signal,
      });
      if (control.signal.aborted) return;
      const newest = found.events[0]?.id ?? 0;
      this.#oldest = found.events.at(-1)?.id ?? this.#oldest;
      this.#atEnd = found.next === null;
      const events = found.events.reverse();
      if (filterCount(view) === 0) store.countOlder(events.filter(({ id }) => id < first));
      const rest = matcher(view, [...stars.values]);
      const notABeat = view.beats ? () => true : beatFilter();
      if (anew) this.#ticker.reset(store.events.filter(({ id }) => (id ?? 0) > newest).filter(this.#matches));
      // The feed may have begun meanwhile with some of them.
      const from = this.#ticker.oldest?.id ?? Number.POSITIVE_INFINITY;
      const fresh = events.filter((event) => event.id < from && rest(event) && notABeat(event));
      this.#ticker.prepend(fresh);
      fill(this.#note);
      this.#older = null;
      // A page of which nothing is shown would leave the list waiting for a scroll that never comes.
      if (fresh.length < 20 && !this.#atEnd && this.#ticker.length < 40) void this.#loadOlder();
    } catch (error) {
      if (control.signal.aborted) return;
      this.#older = null;
      const why = error instanceof Error ? error.message : "the query failed";
      const retry = makeButton("small", { onclick: () => void this.#loadOlder() }, "Try again");
      fill(this.#note, h("p", { role: "alert" }, `Older events can't be read: ${why}.`), retry);
      this.#note.dataset.kind = "error";
    }
    this.#showEmpty();
  }

  #whyEmpty() {
    const { view, store, stars } = this.#context;
    const { state } = store.feed;
    if (state === "reconnecting" || state === "offline") return "gone";
    if (this.#older || state === "connecting") return "loading";
    if (view.mine && stars.values.size === 0) return "no-stars";
    return filterCount(view) > 0 ? "no-match" : "empty";
  }

  #showEmpty() {
    if (this.#note.dataset.kind === "error" && this.#note.hasChildNodes()) return;
    const kind = this.#ticker.length > 0 ? "" : this.#whyEmpty();
    if (this.#note.dataset.kind === kind) return;
    this.#note.dataset.kind = kind;
    fill(
      this.#note,
      kind === "loading" ? skeleton() : kind === "empty" ? howToSend() : kind && h("p", {}, EMPTY[kind]),
    );
  }

  /** @param {number} count @param {boolean} paused */
  #showUnread(count, paused) {
    const text = `${count.toLocaleString()} new`;
    this.#unread.hidden = count === 0;
    if (this.#unread.dataset.text !== text) {
      this.#unread.dataset.text = text;
      fill(this.#unread, text, h("span", { class: "arrow", "aria-hidden": "true" }, "\u2191"));
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
    if (this.element.dataset.side !== "ticker") this.#side("ticker");
    this.#ticker.move(by);
  }

  openSelected() {
    return this.#ticker.openSelected();
  }
}

/** The command that sends a first event, to be copied. */
export function howToSend() {
  const command = `curl ${location.origin}/events/ingest -H 'Content-Type: application/json' \\\n     -d '{"vtid":"DEV-CICDL-0031","source":"oasis.events","kind":"task.init","status":"info"}'`;
  const button = makeButton("small", {}, "Copy");
  button.addEventListener("click", async () =>
    setText(button, (await copy(command)) ? "Copied" : "Select it by hand"),
  );
  return h(
    "div",
    { class: "how" },
    h("p", {}, "No event yet. Send one, and it appears here at once:"),
    h("pre", { tabindex: 0 }, command),
    h(
      "p",
      { class: "quiet" },
      button,
      " A gateway with INGEST_TOKENS also wants -H 'Authorization: Bearer …'.",
    ),
  );
}
