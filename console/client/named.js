// Reads streams whose frames are named events: rooms and resource events. Rows arrive in frames with an id.
// The other frames are `connected`, `heartbeat`, `gap` and `close`.

import { end } from "./connection.js";
import { OasisError } from "./errors.js";
import { parseObject, toId } from "./wire.js";

/** @typedef {import("./connection.js").End} End */
/** @typedef {Record<string, unknown>} Value */

/**
 * What distinguishes the frames of a stream from the frames of other streams.
 *
 * @template {{ id: number }} Row
 * @typedef {object} Reading
 * @property {(id: number, value: Value, name: string) => Row | null} toRow Reads a row. Returns null if a
 *   frame with this name is no row.
 * @property {(rows: Row[]) => void} deliver
 * @property {(value: Value) => void} connected
 * @property {(value: Value) => void} heartbeat
 */

/** @template {{ id: number }} Row */
export class NamedFrames {
  /**
   * @type {number | null} The id of the last frame that had one, like the last event id of an `EventSource`.
   */
  cursor;
  /** The id of the last row that was delivered. */
  #last;
  #host;
  #reading;
  /** @type {Row[]} */
  #batch = [];

  /**
   * @param {import("./types.js").Host<any>} host
   * @param {Reading<Row>} reading
   */
  constructor(host, reading) {
    this.#host = host;
    this.#reading = reading;
    this.cursor = host.cursor;
    this.#last = host.cursor ?? -1;
  }

  /** @param {import("./sse.js").Block[]} blocks @param {AbortSignal} signal */
  takeBlocks(blocks, signal) {
    let fresh = 0;
    /** @type {End | null} */
    let ended = null;
    for (const block of blocks) {
      const id = toId(block.id);
      const value = parseObject(block.data);
      if (value && CONTROL.includes(block.event)) {
        this.#flush();
        if (!signal.aborted) ended = this.#control(block.event, value);
      } else if (value && id !== null && block.event !== "") {
        const row = this.#reading.toRow(id, value, block.event);
        if (row) fresh += this.#add(row);
      }
      // A row that was not delivered must arrive again, so the cursor stays before the row.
      if (signal.aborted) return { fresh, ended: null };
      if (id !== null) this.cursor = id;
      if (ended) return { fresh, ended };
    }
    this.#flush();
    return { fresh, ended };
  }

  /**
   * Delivers what a poll found.
   *
   * @param {{ rows: Row[], upTo: number, gap: import("./types.js").GapDetail | null }} found
   * @param {AbortSignal} signal
   */
  takePoll({ rows, upTo, gap }, signal) {
    if (gap) this.#host.emit("gap", gap);
    if (signal.aborted) return;
    for (const row of rows) this.#add(row);
    this.cursor = upTo;
    this.#flush();
  }

  /** @param {Row} row */
  #add(row) {
    if (row.id <= this.#last) return 0;
    this.#last = row.id;
    this.#batch.push(row);
    return 1;
  }

  /**
   * @param {string} name
   * @param {Value} value
   * @returns {End | null} Not null if the frame ends the stream.
   */
  #control(name, value) {
    switch (name) {
      case "connected":
        this.#host.mode("live", true);
        this.#reading.connected(value);
        return null;
      case "heartbeat":
        this.#reading.heartbeat(value);
        return null;
      case "gap": {
        const reset = value.reason === "reset";
        // After a reset, ids may be lower than the ids before.
        if (reset) this.#last = -1;
        if (reset) this.cursor = null;
        const { from, to } = value;
        this.#host.emit("gap", { from: toId(from), to: toId(to), reason: reset ? "reset" : "pruned" });
        return null;
      }
      default: {
        const detail = { reason: text(value.reason), message: text(value.message) };
        this.#host.emit("close", detail);
        return endAfter(detail);
      }
    }
  }

  #flush() {
    const rows = this.#batch;
    if (rows.length === 0) return;
    this.#batch = [];
    this.#reading.deliver(rows);
  }
}

const CONTROL = ["connected", "heartbeat", "gap", "close"];

/** @param {unknown} value */
export const text = (value) => (typeof value === "string" ? value : "");

/**
 * How a stream ends after a frame `close`.
 *
 * @param {{ reason: string, message: string }} close
 * @returns {End}
 */
export function endAfter({ reason, message }) {
  switch (reason) {
    case "closed":
    case "terminal_state":
      return end("done", "done");
    case "token_expired":
    case "revoked":
      return end("refused", reason, new OasisError(reason, message));
    case "refused":
      return end("refused", "forbidden", new OasisError("forbidden", message));
    case "too_many_connections":
      return end("lost", "busy", new OasisError(reason, message));
    case "shutdown":
    case "timeout":
      return end("lost", reason);
    default:
      return end("lost", "closed");
  }
}
