// The page of a room: its lines, live, with filters, a search, and a download.

import { queryLines } from "../../client/roomquery.js";
import { copy, fill, h, isNew, makeButton, on, setText } from "../dom.js";
import { skeleton } from "../labels.js";
import { readLog, save } from "./download.js";
import { explain } from "./errors.js";
import { RoomLines } from "./lines.js";
import { RoomList, textOf } from "./list.js";
import { Matches } from "./matches.js";
import { RoomSource } from "./source.js";
import { roomState } from "./state.js";
import { RoomTools } from "./tools.js";

/** How many lines `j` and `k` scroll. */
const STEP = 3;

export class RoomPage {
  element;
  #context;
  #id = "";
  #lines = new RoomLines();
  #matches = new Matches();
  /** @type {RoomSource | null} Null before the first room is shown, and if the address has no valid id. */
  #source = null;
  #list;
  #tools;
  #name = h("h1");
  #state = h("span.room-state");
  #about = h("p.quiet.about-room");
  #note = h("div.note");
  #earlier = h("div.log-note");
  #end = h("div.log-note.below", { hidden: true });
  #unread = makeButton("unread", { hidden: true });
  #panel;
  #filterKey = "";
  /** @type {AbortController | null} */
  #downloading = null;

  /** @param {import("../router.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#list = new RoomList(this.#lines, this.#matches, {
      changed: () => this.#drawFollowing(),
      top: () => void this.#source?.loadEarlier(),
    });
    this.#tools = new RoomTools({
      filter: (change) => context.change(change, true),
      search: (q) => context.change({ q }, true),
      find: (by) => void this.#find(by),
      follow: () => this.togglePause(),
      wrap: () => {
        this.#list.wrap(!this.#list.wraps);
        this.#drawTools();
      },
      copy: () => copy(textOf(this.#lines.shown)),
      download: () => void this.#download(),
    });
    on(this.#unread, "click", () => this.#list.follow());
    this.#panel = h(
      "section.panel.log-panel",
      { "aria-label": "Log" },
      this.#tools.element,
      h("div.list", this.#earlier, this.#list.element, this.#unread),
      this.#end,
    );
    this.element = h(
      "div.page.room-page",
      h("div.page-head", h("div.title-line", this.#name, this.#state), this.#about),
      this.#note,
      this.#panel,
    );
  }

  get title() {
    return this.#source?.room?.title ?? this.#id;
  }

  show() {
    const { id: room, levels, agents, q } = this.#context.view;
    if (room !== this.#id || !this.#source) this.#open(room);
    else this.#source.start();
    const key = JSON.stringify([levels, agents]);
    if (key !== this.#filterKey) {
      this.#filterKey = key;
      this.#lines.setFilter({ levels: /** @type {import("./row.js").LogLevel[]} */ (levels), agents });
      this.#source?.filterChanged();
      this.#matches.search(this.#matches.query, this.#lines.shown, this.#lines.first);
      this.#list.reset();
    }
    if (q !== this.#matches.query) {
      this.#matches.search(q, this.#lines.shown, this.#lines.first);
      this.#list.redraw();
    }
    this.#draw();
  }

  /** Closes the stream, because another page is shown. A later call of show() resumes it. */
  leave() {
    this.#downloading?.abort();
    this.#source?.stop();
  }

  tick() {
    this.#drawState();
  }

  /** @param {string} room */
  #open(room) {
    this.#source?.stop();
    this.#id = room;
    this.#lines.clear();
    this.#filterKey = "";
    this.#matches.search("", [], 0);
    this.#list.follow();
    this.#list.reset();
    const { token } = this.#context.store;
    try {
      this.#source = new RoomSource(room, token, this.#lines, {
        changed: () => this.#draw(),
        appended: (added, dropped) => {
          this.#matches.append(added, this.#lines.first + this.#lines.shown.length - added.length);
          if (dropped > 0) this.#matches.drop(this.#lines.first);
          this.#list.append(added, dropped);
          this.#drawTools();
          this.#drawNotes();
        },
        prepended: (added) => {
          this.#matches.prepend(added, this.#lines.first);
          this.#list.prepend(added);
          this.#drawTools();
        },
        reset: () => {
          this.#matches.search(this.#matches.query, [], 0);
          this.#list.reset();
        },
      });
      this.#source.start();
    } catch {
      // The address has an id that no room can have.
      this.#source = null;
    }
  }

  #draw() {
    setText(this.#name, this.title);
    this.#drawState();
    this.#drawNotes();
    this.#drawTools();
    this.#drawFollowing();
  }

  #drawState() {
    const source = this.#source;
    if (!source) return;
    const { room } = source;
    const retry = () => source.retry();
    roomState(this.#state, source, retry);
    const facts = [
      room?.title != null && room.id,
      room?.owner != null && `owner ${room.owner}`,
      room && (room.readers === "owner" ? "only the owner may read it" : "each signed-in user may read it"),
    ];
    setText(this.#about, facts.filter(Boolean).join(" \u00b7 "));
  }

  #drawNotes() {
    const source = this.#source;
    const error = source ? source.error : { status: 404 };
    const hasLines = this.#lines.length > 0;
    this.#show(this.#note, error ? `error ${error.status} ${source?.error?.code}` : "", () =>
      error ? explain("The log can't be read", error, () => source?.retry()) : [],
    );
    this.#panel.hidden = Boolean(error) && !hasLines;
    if (!source) return;
    const isKnown = source.isKnown || hasLines;
    const kind = source.loadError
      ? `failed ${source.loadError}`
      : !isKnown || source.isLoading
        ? hasLines
          ? "more"
          : "loading"
        : source.isPaused
          ? "paused"
          : this.#lines.isFull
            ? "full"
            : this.#lines.shown.length === 0
              ? hasLines
                ? "filtered"
                : "empty"
              : "";
    const again = () => void source.loadEarlier(true);
    this.#earlier.dataset.kind = kind.split(" ", 1)[0] ?? "";
    this.#show(this.#earlier, kind, () => {
      if (source.loadError) return explain("Earlier lines can't be read", source.loadError, again);
      switch (kind) {
        case "loading":
          return [skeleton()];
        case "more":
          return [h("p.quiet", "Loading earlier lines\u2026")];
        case "paused":
          return [
            h("p", "The search for earlier lines that match the filter stopped here."),
            makeButton("small", { onclick: again }, "Search further back"),
          ];
        case "full":
          return [h("p.quiet", "This page holds no more lines. The download has all lines.")];
        case "filtered":
          return [h("p", "No line matches the filter.")];
        case "empty":
          return [h("p", source.isClosed ? "This room has no lines." : "This room has no lines yet.")];
        default:
          return [];
      }
    });
    this.#end.hidden = !source.isClosed;
    this.#show(this.#end, "closed", () => [h("p.quiet", "This room is closed. No more lines follow.")]);
  }

  /**
   * Fills a note if its content changes.
   *
   * @param {HTMLElement} note
   * @param {string} version
   * @param {() => HTMLElement[]} make
   */
  #show(note, version, make) {
    if (!isNew(note, version)) return;
    fill(note, ...make());
  }

  #drawTools() {
    this.#tools.show({
      lines: this.#lines,
      matches: this.#matches,
      view: this.#context.view,
      follows: this.#list.follows,
      wraps: this.#list.wraps,
      isClosed: this.#source?.isClosed ?? false,
    });
  }

  #drawFollowing() {
    const { unread } = this.#list;
    this.#unread.hidden = unread === 0;
    if (unread > 0) {
      const lines = unread === 1 ? "1 new line" : `${unread.toLocaleString()} new lines`;
      fill(this.#unread, lines, h("span.arrow", { "aria-hidden": "true" }, "\u2193"));
    }
    this.#drawTools();
  }

  focusSearch() {
    this.#tools.focusSearch();
  }

  togglePause() {
    if (this.#list.follows) this.#list.pause();
    else this.#list.follow();
  }

  /** @param {number} by */
  move(by) {
    if (this.#matches.query) void this.#find(by < 0 ? -1 : 1);
    else this.#list.scrollBy(STEP * by);
  }

  /** Goes to the next match, or to the previous one. @param {1 | -1} by */
  async #find(by) {
    const { first, shown } = this.#lines;
    const isStart = this.#matches.current === null;
    // While the list follows, the newest match is the nearest one.
    const found =
      isStart && this.#list.follows
        ? this.#matches.go(-1, first + shown.length - 1)
        : this.#matches.go(by, this.#list.topLine);
    if (found !== null) this.#list.show(found);
    else if (by < 0 || isStart) {
      const find = () => {
        const number = this.#matches.go(-1, this.#lines.first + this.#lines.shown.length - 1);
        if (number !== null) this.#list.show(number);
        return number !== null;
      };
      await this.#source?.searchEarlier(find);
    }
    this.#drawTools();
  }

  async #download() {
    if (this.#downloading) return this.#downloading.abort();
    const last = this.#lines.newest;
    if (last === null) return;
    const control = new AbortController();
    this.#downloading = control;
    const { token } = this.#context.store;
    try {
      const options = { token, last, signal: control.signal };
      const log = await readLog(queryLines, this.#id, options, (lines, share) =>
        this.#tools.showDownload(`${Math.round(100 * share)} %, ${lines.toLocaleString()} lines. Cancel`),
      );
      save(log, `${this.#id}.log`);
    } catch (error) {
      if (!control.signal.aborted) {
        this.#note.dataset.version = "";
        fill(this.#note, ...explain("The log can't be downloaded", error, () => void this.#download()));
      }
    }
    this.#downloading = null;
    this.#tools.showDownload(null);
  }
}
