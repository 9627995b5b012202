// What one component sees of a connection that it shares with other components.

import { CONNECTING, IDLE, Shared } from "./shared.js";

/** @typedef {import("./types.js").Source} Source */

/**
 * @typedef {object} Handlers
 * @property {import("./types.js").TokenFunction} [token]
 * @property {(row: any) => void} [row] Called with each new row, except those that were stored before the
 *   page connected.
 * @property {(rows: readonly any[], isLive: boolean) => void} [rows] Called with all new rows. `isLive` is
 *   false if they were stored before the page connected.
 */

/** @typedef {import("./types.js").Status & { rows: readonly any[], last: any }} Snapshot */

export class View {
  /** @type {Handlers} The handlers of the last render. */
  handlers = {};
  /** @type {Snapshot} */
  snapshot;
  max;
  /** @type {Source | null} */
  #source = null;
  /** @type {Shared | null} */
  #shared = null;
  #listener = () => {};
  /** @type {object | null} */
  #lineage = null;
  /** The rows up to this number are not in the list. */
  #clearedAt = 0;
  /** The handlers got this many rows. */
  #taken = 0;
  /** The last of this many rows came before the component. */
  #seen = 0;
  #off = false;
  /** @type {readonly any[]} The rows of the connection from which the list was made. */
  #from = [];

  /** @param {number} max @param {boolean} isActive */
  constructor(max, isActive) {
    this.max = Math.max(1, max);
    this.snapshot = { ...(isActive ? CONNECTING : IDLE), rows: [], last: null };
  }

  get = () => this.snapshot;

  token = () => this.handlers.token;

  /** @param {Source | null} source @param {() => void} listener */
  subscribe(source, listener) {
    this.#source = source;
    this.#listener = listener;
    if (!this.#off) this.#join();
    return () => {
      this.#listener = () => {};
      this.#leave(false);
    };
  }

  reconnect = () => {
    if (this.#shared) return this.#shared.reconnect();
    this.#off = false;
    this.#join();
    this.#listener();
  };

  disconnect = () => {
    this.#off = true;
    this.#leave(true);
    this.snapshot = { ...this.snapshot, ...IDLE, reason: "stopped" };
    this.#listener();
  };

  clear = () => {
    const { total, live } = this.#shared ?? { total: 0, live: 0 };
    this.#clearedAt = total;
    this.#seen = live;
    this.snapshot = { ...this.snapshot, rows: [], last: null };
    this.#from = [];
    this.#listener();
  };

  /** @param {readonly any[]} rows @param {boolean} isLive */
  take(rows, isLive) {
    const { handlers } = this;
    attempt(() => handlers.rows?.(rows, isLive));
    if (isLive && handlers.row) for (const row of rows) attempt(() => handlers.row?.(row));
  }

  changed() {
    this.#read();
    this.#listener();
  }

  #join() {
    if (!this.#source) return;
    const shared = Shared.join(this.#source, this);
    this.#shared = shared;
    const isKnown = shared.lineage === this.#lineage;
    if (!isKnown) {
      this.#lineage = shared.lineage;
      this.#clearedAt = this.#taken = 0;
      this.#seen = shared.live;
    }
    // The rows that were there before the component, or the news since it used the connection.
    const missed = Math.min(this.max, shared.total - this.#taken);
    if (missed > 0) this.take(shared.rows.slice(-missed), isKnown);
    this.#read();
  }

  /** @param {boolean} atOnce */
  #leave(atOnce) {
    this.#shared?.leave(this, atOnce);
    this.#shared = null;
  }

  #read() {
    if (!this.#shared) return;
    const { rows, total, live, last, status } = this.#shared;
    const count = Math.min(this.max, total - this.#clearedAt);
    const isSame = rows === this.#from;
    const list = isSame ? this.snapshot.rows : count >= rows.length ? rows : rows.slice(rows.length - count);
    this.#from = rows;
    this.#taken = total;
    this.snapshot = { ...status, rows: list, last: live > this.#seen ? last : null };
  }
}

/** Calls a handler of the page. Its failure must not end the stream. @param {() => void} work */
function attempt(work) {
  try {
    work();
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
