// The page of one task: its steps, its journey and its events.

import { beatFilter } from "./beats.js";
import { drawChart } from "./chart.js";
import { closest, fill, h, makeButton, on, panel, setText } from "./dom.js";
import { keyOf, metaText } from "./event.js";
import { toItems, toMilestones } from "./journey.js";
import { isStep } from "./kinds.js";
import { failureNote, icon, outLink, simulatedMark, skeleton } from "./labels.js";
import { describeLink } from "./links.js";
import { drawSteps } from "./steps.js";
import { Ticker } from "./ticker.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

/** How many events are loaded at first, and how many more on request. */
const MOST = 2_000;
/** The maximum number of events that one query returns. */
const PAGE = 500;
/** The maximum number of bars that are drawn. More bars would be unreadable. */
const MOST_ITEMS = 300;
/** Live events have no `meta`. The page reads it from the query API, this long after the first live event. */
const SETTLE_MS = 1_500;

export class TaskPage {
  #context;
  #task = "";
  /** The events by key, see keyOf(). @type {Map<string, AnyEvent>} */
  #events = new Map();
  /** @type {import("./journey.js").Item[]} */
  #items = [];
  #most = MOST;
  /** @type {AbortController | null} */
  #loading = null;
  #more = false;
  /** @type {unknown} */
  #error = null;
  #dirty = true;
  /** Whether events arrived while another page was shown. */
  #stale = false;
  #drawnAt = 0;
  #notABeat = beatFilter();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  #name = h("h1");
  #about = h("p.about-task");
  #star = makeButton("switch.star", {});
  #simulated = simulatedMark();
  #links = h("span.links");
  #rooms = h("div.title-line.task-rooms", { hidden: true });
  #steps = h("ol.steps", { "aria-label": "Steps", tabindex: 0 });
  #chart = h("div.chart");
  #note = h("div.note");
  #count = h("span.count");
  #parts;
  #ticker;
  element;

  /** @param {import("./router.js").Context} context */
  constructor(context) {
    this.#context = context;
    const { stars, store } = context;
    on(this.#star, "click", () => stars.set(this.#task, !stars.values.has(this.#task)));
    on(stars, "change", () => this.#showStar());
    on(store, "gap", () => this.#begin());
    // The width of the window decides which share of the axis a label fills, so the journey is drawn again.
    on(window, "resize", () => {
      this.#dirty = true;
    });
    this.#ticker = new Ticker("Events of this task, newest first", context, {
      refill: () => this.#fillTicker(),
    });
    this.#parts = [
      panel("journey", "journey-title", ["Journey"], null, this.#steps, this.#chart),
      panel("ticker", "task-events", ["Events ", this.#count], null, h("div.list", this.#ticker.element)),
    ];
    this.element = h(
      "div.page.task-page",
      h(
        "div.page-head",
        h("div.title-line", this.#name, this.#simulated, this.#star, this.#links),
        this.#about,
        this.#rooms,
      ),
      this.#note,
      ...this.#parts,
    );
    on(this.#chart, "click", (event) => {
      const bar = closest(event, "button");
      const found = this.#items.find((item) => item.key === bar?.dataset.key);
      if (found) context.open(found.event);
    });
  }

  get title() {
    return this.#task;
  }

  show() {
    const task = this.#context.view.id;
    if (task === this.#task) {
      if (this.#stale) void this.#refresh();
      return;
    }
    this.#task = task;
    this.#begin();
  }

  /** Starts again, because the events were simulated or the database was restored. */
  reset() {
    if (this.#task) this.#begin();
  }

  #begin() {
    const task = this.#task;
    this.#events.clear();
    // Simulated events are not stored, so the query API does not return them.
    for (const event of this.#context.store.events)
      if (event.id === null && event.vtid === task) this.#events.set(keyOf(event), event);
    this.#most = MOST;
    this.#more = false;
    this.#error = null;
    fill(this.#about);
    fill(this.#note);
    for (const part of this.#parts) part.hidden = false;
    drawSteps(this.#steps, [], 0);
    fill(this.#chart, skeleton());
    fill(this.#links);
    this.#ticker.reset([]);
    setText(this.#name, task);
    this.#showStar();
    this.#showRooms(task);
    void this.#load();
  }

  /** Links to the rooms and resources of the task. Both need a token. @param {string} task */
  #showRooms(task) {
    const { token } = this.#context.store;
    const rooms = this.#rooms;
    rooms.hidden = true;
    if (!token) return;
    import("./rooms/links.js").then(
      ({ showLinks }) => showLinks(rooms, task, token, () => task === this.#task),
      () => {},
    );
  }

  #showStar() {
    const starred = this.#context.stars.values.has(this.#task);
    this.#star.ariaPressed = String(starred);
    fill(this.#star, icon("star"), starred ? "Starred" : "Star");
  }

  /** @param {number | null} [before] Loads only events with a lower id. */
  async #load(before = null) {
    this.#loading?.abort();
    const control = new AbortController();
    this.#loading = control;
    this.#error = null;
    let drawn = false;
    try {
      do {
        const page = await this.#context.store.query(
          { vtid: this.#task },
          { before: before ?? undefined, limit: PAGE, signal: control.signal },
        );
        if (control.signal.aborted) return;
        for (const event of page.events) this.#events.set(keyOf(event), event);
        before = page.next;
        // The first page of events fills the screen. Drawing after every page would slow down loading.
        if (before !== null && !drawn) this.#redraw();
        drawn = true;
      } while (before !== null && this.#events.size < this.#most);
      this.#more = before !== null;
    } catch (error) {
      if (control.signal.aborted) return;
      this.#error = error;
    }
    if (this.#loading === control) this.#loading = null;
    this.#redraw();
  }

  #loadOlder() {
    const [oldest] = this.#sorted();
    this.#most += MOST;
    void this.#load(oldest?.id);
  }

  #redraw() {
    this.#fillTicker();
    this.#dirty = true;
    this.#draw(this.#context.store.now());
  }

  /** The events, oldest first. Simulated events stay in the order in which they arrived. */
  #sorted() {
    return [...this.#events.values()].sort((a, b) => (a.id ?? 0) - (b.id ?? 0));
  }

  #fillTicker() {
    this.#notABeat = beatFilter();
    this.#ticker.reset(this.#sorted().filter(this.#notABeat));
  }

  /** @param {readonly AnyEvent[]} events */
  take(events) {
    const added = events.filter((event) => event.vtid === this.#task && !this.#events.has(keyOf(event)));
    if (added.length === 0) return;
    for (const event of added) this.#events.set(keyOf(event), event);
    if (this.#events.size > this.#most + MOST) {
      for (const event of this.#sorted().slice(0, this.#events.size - this.#most))
        this.#events.delete(keyOf(event));
      this.#more = true;
    }
    if (!this.#loading) this.#ticker.push(added.filter(this.#notABeat));
    this.#dirty = true;
    if (added.every((event) => event.id === null)) return;
    if (!this.element.isConnected) this.#stale = true;
    else this.#settling ??= setTimeout(() => void this.#refresh(), SETTLE_MS);
  }

  connected() {
    if (this.#error) void this.#load();
  }

  async #refresh() {
    this.#settling = undefined;
    this.#stale = false;
    const task = this.#task;
    try {
      const { events } = await this.#context.store.query({ vtid: task }, { limit: 100 });
      if (task !== this.#task) return;
      for (const event of events) if (this.#events.has(keyOf(event))) this.#events.set(keyOf(event), event);
      this.#dirty = true;
    } catch {
      // Without the `meta`, the page shows the kind instead of the name.
    }
  }

  /** @param {number} now */
  tick(now) {
    const live = this.#chart.querySelector(".live") !== null;
    if (this.#dirty || (live && now - this.#drawnAt > 1_000)) this.#draw(now);
  }

  /** @param {number} now */
  #draw(now) {
    const isNew = this.#dirty;
    this.#dirty = false;
    this.#drawnAt = now;
    const events = [...this.#events.values()];
    setText(this.#count, this.#loading && events.length === 0 ? "" : this.#ticker.length.toLocaleString());
    this.#simulated.hidden = !events.some((event) => event.id === null);
    if (isNew) this.#drawNote(events.length);
    for (const part of this.#parts) part.hidden = events.length === 0 && !this.#loading;
    if (events.length === 0) return;
    const all = toItems(events, now);
    this.#items = all.slice(-MOST_ITEMS);
    if (isNew) this.#drawHead(events);
    drawSteps(this.#steps, toMilestones(all), now);
    drawChart(this.#chart, this.#items, now);
  }

  /** @param {number} count */
  #drawNote(count) {
    if (this.#error)
      fill(this.#note, ...failureNote("The history can't be read", this.#error, () => void this.#load()));
    else if (count === 0 && !this.#loading)
      fill(
        this.#note,
        h(
          "p",
          `No events for ${this.#task} yet. `,
          "To see events here, put the VTID in a pull request title, a branch name or a commit message.",
        ),
      );
    else if (this.#more)
      fill(
        this.#note,
        h("p", `Only the last ${count.toLocaleString()} events are shown.`),
        makeButton("small", { onclick: () => this.#loadOlder() }, "Load older events"),
      );
    else fill(this.#note);
  }

  /** @param {AnyEvent[]} events */
  #drawHead(events) {
    const newest = events.sort((a, b) => (b.id ?? 0) - (a.id ?? 0));
    /** @param {string} name */
    const meta = (name) => newest.map((event) => metaText(event, name)).find(Boolean);
    const pull = newest.find((event) => isStep(event, "pull"));
    const title = (pull && metaText(pull, "title")) || meta("title") || "";
    const repository = h("span.quiet", meta("repository"));
    fill(this.#about, h("bdi", title.replace(`[${this.#task}]`, "").trim()), " ", repository);
    fill(this.#links, pull && outLink(pull.link, "Open the pull request", describeLink(pull.link)));
  }

  /** @param {number} by */
  move(by) {
    this.#ticker.move(by);
  }

  openSelected() {
    return this.#ticker.openSelected();
  }
}
