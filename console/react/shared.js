// Keeps one connection per distinct stream, which all components of the page share.

import { OasisError, OasisStream } from "@oasis-devhub/client";
import { perFrame } from "./frame.js";
import { noToken, userOf } from "./user.js";

/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("@oasis-devhub/client").StateDetail} StateDetail */

/** A connection without components stays open for this time, so that a component can mount again. */
const GRACE_MS = 500;
/** More rows than this do not wait for the next frame. */
const MOST_PENDING = 5_000;
/** The cache is written at most once in this time, and when the page is closed. */
const SAVE_MS = 1_000;

/** @type {Status} */
export const IDLE = {
  connected: false,
  connecting: false,
  reason: null,
  error: null,
  retryCount: 0,
  retryAt: null,
  maxReached: false,
  gap: null,
};
/** @type {Status} */
export const CONNECTING = { ...IDLE, connecting: true };

/**
 * A component that uses a connection.
 *
 * @typedef {object} Member
 * @property {number} max The number of rows that the component wants.
 * @property {() => import("./types.js").TokenFunction | undefined} token
 * @property {(rows: readonly any[], isLive: boolean) => void} take Called with new rows. `isLive` is false if
 *   the rows were stored before the page connected.
 * @property {() => void} changed
 */

/** @type {Map<string, Shared>} */
const all = new Map();

export class Shared {
  /** @type {readonly any[]} The last rows, oldest first. */
  rows = [];
  /** The number of rows that have ever been in `rows`. */
  total = 0;
  /** The number of rows that are news: they were not stored before the page connected. */
  live = 0;
  /** @type {any} The last of the news. */
  last = null;
  /** @type {Status} */
  status = CONNECTING;
  /** Connections with the same lineage follow each other, and continue to count. */
  lineage = {};
  #source;
  /** @type {Set<Member>} */
  #members = new Set();
  /** The member whose token function is used. */
  #newest;
  /** @type {OasisStream<any> | null} */
  #stream = null;
  /** @type {any[]} */
  #pending = [];
  #frame = perFrame(() => this.#flush());
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #closing;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #saving;
  #closed = false;
  /** The key in the cache; empty if nothing is stored. */
  #cacheKey = "";
  /** @type {any} The news begin with the first row that has at least this time. Then null. */
  #liveFrom = null;
  #save = () => {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    const rows = [...this.rows, ...this.#pending].slice(-(this.#source.cache?.max ?? 0));
    const cursor = this.#cursor;
    if (this.#cacheKey && cursor !== null) void this.#source.cache?.save(this.#cacheKey, { rows, cursor });
  };

  /**
   * Returns the connection of a source, which is opened if there is none.
   *
   * @param {Source} source
   * @param {Member} member
   */
  static join(source, member) {
    let shared = all.get(source.key);
    if (!shared) {
      const before = [...all.values()].find((other) => other.#isBefore(source));
      shared = new Shared(source, member, before);
      all.set(source.key, shared);
      if (before && before.#members.size === 0) before.#close();
    }
    clearTimeout(shared.#closing);
    shared.#members.add(member);
    shared.#newest = member;
    return shared;
  }

  /**
   * @param {Source} source
   * @param {Member} member
   * @param {Shared | undefined} before The connection of the same user to the same stream with an old token.
   */
  constructor(source, member, before) {
    this.#source = source;
    this.#newest = member;
    if (before) {
      before.#frame.flush();
      const { rows, total, live, last, lineage } = before;
      Object.assign(this, { rows, total, live, last, lineage });
    }
    void this.#start(before ? before.#cursor : null);
  }

  /** The cursor from which the next connection resumes. */
  get #cursor() {
    return this.#stream?.lastEventId ?? null;
  }

  /** Whether this is a connection of the same user to the same stream. @param {Source} source */
  #isBefore({ stream, user }) {
    return user !== "" && this.#source.user === user && this.#source.stream === stream;
  }

  /** @param {Member} member @param {boolean} atOnce Whether to close an unused connection at once. */
  leave(member, atOnce = false) {
    this.#members.delete(member);
    const [other] = this.#members;
    if (other) this.#newest = other;
    else if (atOnce) this.#close();
    else this.#closing = setTimeout(() => this.#close(), GRACE_MS);
  }

  reconnect() {
    if (this.#stream) {
      this.#stream.stop();
      this.#stream.start();
    } else if (this.status.error) {
      void this.#start(null);
    }
  }

  #close() {
    this.#closed = true;
    clearTimeout(this.#closing);
    if (all.get(this.#source.key) === this) all.delete(this.#source.key);
    this.#frame.flush();
    if (this.#saving !== undefined) this.#save();
    globalThis.removeEventListener?.("pagehide", this.#save);
    this.#stream?.stop();
  }

  /** @param {number | null} cursor */
  async #start(cursor) {
    const { cache, options, profile, replays, rows, asks } = this.#source;
    this.#set(CONNECTING);
    try {
      const saved = cache ? await this.#load(cache, cursor === null) : null;
      if (this.#closed) return;
      this.#push(saved?.rows ?? [], false);
      const lastEventId = cursor ?? saved?.cursor ?? null;
      const stream = new OasisStream(profile(), {
        ...options,
        lastEventId,
        token: asks ? () => this.#ask() : options.token,
      });
      this.#stream = stream;
      let isReplay = cursor === null && (replays || lastEventId !== null);
      stream.addEventListener(rows, ({ detail }) => this.#take(detail[rows]));
      stream.addEventListener("state", ({ detail }) => this.#changeState(detail, stream.tries));
      stream.addEventListener("connected", ({ detail }) => {
        if (isReplay) this.#liveFrom = detail.timestamp;
        isReplay = false;
        // From now on, a reload finds a cursor. The stream moves to it after this event.
        setTimeout(this.#save);
      });
      stream.addEventListener("gap", ({ detail }) => this.#gap(detail));
      if (cache) globalThis.addEventListener?.("pagehide", this.#save);
      stream.start();
    } catch (error) {
      this.#set({ ...IDLE, error: new OasisError("bad_option", String(error)) });
    }
  }

  /**
   * Finds out under which key the cache stores this stream.
   *
   * @param {import("./types.js").EventCache} cache
   * @param {boolean} isNew Whether to read what is stored.
   */
  async #load(cache, isNew) {
    const { options, user, stream } = this.#source;
    const owner = cache.user ?? (user || userOf(options.token || (await this.#newest.token()?.()) || ""));
    // The next user must not see the events of an unknown user.
    if (owner === "") return null;
    this.#cacheKey = JSON.stringify([stream, owner]);
    return isNew ? cache.load(this.#cacheKey) : null;
  }

  /** Asks for the token. Ends the connection if there is none. */
  async #ask() {
    const token = await this.#newest.token()?.();
    if (!token && !this.#source.credentials) {
      this.#stream?.stop();
      this.#set({
        ...IDLE,
        error: noToken(),
      });
    }
    return token;
  }

  /** @param {any[]} rows */
  #take(rows) {
    for (const row of rows) this.#pending.push(row);
    if (this.#pending.length > MOST_PENDING) this.#flush();
    else this.#frame.schedule();
  }

  #flush() {
    const rows = this.#pending;
    const from = this.#liveFrom;
    this.#pending = [];
    const first = from === null ? 0 : rows.findIndex(({ timestamp }) => timestamp >= from);
    if (first >= 0) this.#liveFrom = null;
    const stored = first < 0 ? rows.length : first;
    this.#push(rows.slice(0, stored), false);
    this.#push(rows.slice(stored), true);
    this.#saveSoon();
  }

  /** @param {any[]} taken @param {boolean} isLive */
  #push(taken, isLive) {
    if (taken.length === 0) return;
    const rows = this.#source.fold?.(taken, this.rows.at(-1)) ?? taken;
    const keep = Math.max(this.#newest.max, ...[...this.#members].map(({ max }) => max));
    this.rows = this.rows.concat(rows).slice(-keep);
    this.total += rows.length;
    if (isLive) {
      this.live += rows.length;
      this.last = rows.at(-1);
    }
    for (const member of this.#members) member.take(rows, isLive);
    this.#changed();
  }

  /** @param {import("./types.js").GapDetail} gap */
  #gap(gap) {
    this.#frame.flush();
    // The ids begin again, so rows from before and after the gap can't be in one list.
    if (gap.reason === "reset") this.rows = [];
    this.#set({ ...this.status, gap });
  }

  /** @param {StateDetail} detail @param {number} tries */
  #changeState({ state, reason, retryAt, error }, tries) {
    // The page must not show the end of a stream before its last rows.
    this.#frame.flush();
    const connected = state === "live";
    const maxReached = reason === "gave_up";
    const text = "Max reconnection attempts reached";
    // During an attempt, the error of the attempt before is still the newest.
    const last = error ?? (reason === "trying" ? this.status.error : null);
    this.#set({
      connected,
      connecting: state === "connecting" || state === "reconnecting",
      reason,
      error: maxReached ? new OasisError("gave_up", text, last?.message, last?.status) : last,
      retryCount: connected ? 0 : tries,
      retryAt,
      maxReached,
      gap: this.status.gap,
    });
  }

  /** @param {Status} status */
  #set(status) {
    this.status = status;
    this.#changed();
  }

  #changed() {
    for (const member of this.#members) member.changed();
  }

  #saveSoon() {
    if (this.#cacheKey) this.#saving ??= setTimeout(this.#save, SAVE_MS);
  }
}
