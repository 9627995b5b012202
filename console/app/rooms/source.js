// Fills the lines of a room: new lines from the stream, earlier lines from the query API.

import { getRoom, queryLines } from "../../client/roomquery.js";
import { roomProfile } from "../../client/rooms.js";
import { OasisStream } from "../../client/stream.js";
import { GATEWAY } from "../address.js";
import { isAll } from "./lines.js";

/** @typedef {import("../../client/types.js").Room} Room */
/** @typedef {import("../../client/errors.js").OasisError} OasisError */
/** @typedef {import("./lines.js").Item} Item */

/** The number of lines with which the stream begins. */
const TAIL = 500;
const PAGE = 500;
const BIG_PAGE = 1_000;
/** One load stops after this many pages, even if it has found no line. */
const MOST_PAGES = 10;
/** A load with a filter stops after it has found this many lines. */
const ENOUGH = 50;

/**
 * @typedef {object} Listener
 * @property {() => void} changed The state, the room or the progress of a load has changed.
 * @property {(added: Item[], dropped: number) => void} appended
 * @property {(added: Item[]) => void} prepended
 * @property {() => void} reset All lines are gone.
 */

export class RoomSource {
  /** @type {Room | null} */
  room = null;
  isClosed = false;
  /** @type {OasisError | null} Why the room cannot be read. */
  error = null;
  /** @type {unknown} */
  loadError = null;
  /** Whether the last load stopped before it found enough lines. */
  isPaused = false;
  /** Whether a frame of the stream has arrived, so that the last lines are known. */
  isKnown = false;
  stream;
  /**
   * Whether the page has stopped the stream, so that it may start the stream again. A stream that the server
   * has ended does not count as stopped.
   */
  #isStopped = true;
  #id;
  #token;
  #lines;
  #listener;
  /** @type {AbortController | null} */
  #loading = null;
  /**
   * How far back the page has read: the oldest line at that time, where the next page ends, and whether there
   * is no next page. These values no longer apply once the page has dropped its oldest lines.
   *
   * @type {{ oldest: number | null, cursor: number | null, isBeginning: boolean }}
   */
  #reached = { oldest: null, cursor: null, isBeginning: false };
  /** Whether no earlier line matches the filter. */
  #filterAtBeginning = false;
  /** @type {number | null} Where the next page of lines that match the filter ends. */
  #filterCursor = null;

  /**
   * @param {string} id
   * @param {string | undefined} token
   * @param {import("./lines.js").RoomLines} lines
   * @param {Listener} listener
   */
  constructor(id, token, lines, listener) {
    this.#id = id;
    this.#token = token;
    this.#lines = lines;
    this.#listener = listener;
    const stream = new OasisStream(roomProfile(id, { tail: TAIL }), {
      url: GATEWAY,
      token,
      maxTries: Infinity,
    });
    this.stream = stream;
    stream.addEventListener("lines", ({ detail }) => {
      this.isKnown = true;
      const { added, dropped } = lines.append(detail.lines);
      listener.appended(added, dropped);
    });
    stream.addEventListener("gap", ({ detail }) => this.#gap(detail));
    stream.addEventListener("close", ({ detail }) => {
      if (detail.reason === "closed") this.isClosed = true;
      void this.#readRoom();
    });
    stream.addEventListener("heartbeat", () => {
      this.isKnown = true;
    });
    stream.addEventListener("state", ({ detail }) => {
      const isOver = detail.state === "offline" && detail.reason !== "stopped" && detail.reason !== "done";
      this.error = isOver ? (detail.error ?? null) : null;
      if (detail.state === "live") void this.#readRoom();
      listener.changed();
    });
  }

  /** Starts or resumes the stream, unless it was started before. */
  start() {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.stream.start();
  }

  stop() {
    this.#isStopped = true;
    this.stream.stop();
    this.#abort();
  }

  retry() {
    this.stream.retry();
  }

  get isLoading() {
    return this.#loading !== null;
  }

  /** Whether there are no earlier lines. */
  get atBeginning() {
    return this.#isFiltered ? this.#filterAtBeginning : this.#atBeginning;
  }

  /** Whether no line is earlier than all lines that are held, whatever the filter. */
  get #atBeginning() {
    return this.#reached.isBeginning && this.#reached.oldest === this.#lines.oldest;
  }

  /** Where the next page of earlier lines ends, whatever the filter. */
  get #cursor() {
    const { oldest, cursor } = this.#reached;
    return (oldest === this.#lines.oldest ? cursor : null) ?? this.#lines.oldest;
  }

  /**
   * Shows a page of earlier lines that was read without a filter.
   *
   * @param {Awaited<ReturnType<typeof queryLines>>} page
   */
  #takePage({ lines, cursor, more }) {
    const added = this.#lines.prepend(lines, false);
    this.#reached = { oldest: this.#lines.oldest, cursor, isBeginning: !more };
    this.#listener.prepended(added);
    return added.length;
  }

  get #isFiltered() {
    return !isAll(this.#lines.filter);
  }

  async #readRoom() {
    try {
      this.room = await getRoom(this.#id, { url: GATEWAY, token: this.#token });
      this.isClosed = this.room.state === "closed";
    } catch {
      // The stream reports the errors. Without the room, the page shows the id instead of the title.
    }
    this.isKnown = true;
    this.#listener.changed();
  }

  /** @param {import("../../client/types.js").GapDetail} gap */
  #gap({ reason }) {
    if (reason === "reset") {
      this.#abort();
      this.#lines.clear();
      this.#reached = { oldest: null, cursor: null, isBeginning: false };
      this.filterChanged();
      this.#listener.reset();
    }
    const why = {
      reset: "The gateway's database was replaced or restored. The log begins again.",
      pruned: "Lines are missing here: they are no longer stored.",
      skipped: "Lines are missing here: too many lines arrived at once. The download has all lines.",
    };
    const { added, dropped } = this.#lines.note(why[reason]);
    this.#listener.appended(added, dropped);
  }

  #abort() {
    this.#loading?.abort();
    this.#loading = null;
  }

  /** Forgets how far back the last filter was searched. */
  filterChanged() {
    this.#abort();
    this.#filterCursor = null;
    this.#filterAtBeginning = this.#atBeginning;
    this.isPaused = false;
    this.loadError = null;
  }

  /**
   * Reads earlier lines. With a filter, the gateway searches for lines that match it.
   *
   * @param {boolean} [again] Whether to continue after a load that stopped early or failed.
   */
  async loadEarlier(again = false) {
    if (this.#loading || this.atBeginning || this.#lines.isFull || !this.isKnown) return;
    if (!again && (this.isPaused || this.loadError)) return;
    const isFiltered = this.#isFiltered;
    const { levels, agents } = this.#lines.filter;
    let found = 0;
    await this.#load(async (signal) => {
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const before = (isFiltered ? this.#filterCursor : null) ?? this.#cursor ?? undefined;
        const limit = isFiltered ? BIG_PAGE : PAGE;
        const page = await this.#page({ before, limit, level: levels, agentType: agents, signal });
        if (signal.aborted) return;
        if (isFiltered) {
          this.#filterCursor = page.cursor;
          this.#filterAtBeginning = !page.more;
          const added = this.#lines.prepend(page.lines, true);
          found += added.length;
          this.#listener.prepended(added);
        } else found += this.#takePage(page);
        if (!page.more || (isFiltered ? found >= ENOUGH : found > 0)) return;
      }
      this.isPaused = true;
    });
  }

  /**
   * Reads earlier lines until one of them contains what the reader searches for.
   *
   * @param {() => boolean} isFound
   */
  async searchEarlier(isFound) {
    if (this.#isFiltered) {
      await this.loadEarlier(true);
      return void isFound();
    }
    await this.#load(async (signal) => {
      for (let pages = 0; pages < MOST_PAGES && !this.#atBeginning && !this.#lines.isFull; pages++) {
        const page = await this.#page({ before: this.#cursor ?? undefined, limit: BIG_PAGE, signal });
        if (signal.aborted) return;
        this.#takePage(page);
        if (isFound()) return;
      }
    });
  }

  /** @param {Omit<import("../../client/roomquery.js").LinesOptions, "url" | "token">} options */
  #page(options) {
    return queryLines(this.#id, { url: GATEWAY, token: this.#token, ...options });
  }

  /** @param {(signal: AbortSignal) => Promise<void>} work */
  async #load(work) {
    if (this.#loading) return;
    const control = new AbortController();
    this.#loading = control;
    this.isPaused = false;
    this.loadError = null;
    this.#listener.changed();
    try {
      await work(control.signal);
    } catch (error) {
      if (control.signal.aborted) return;
      this.loadError = error;
    }
    if (this.#loading === control) this.#loading = null;
    this.#listener.changed();
  }
}
