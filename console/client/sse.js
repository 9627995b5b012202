// Parses event streams (Server-Sent Events, in the HTML standard) from bytes as they arrive.
//
// Lines end with CR, LF or CRLF, even if a chunk ends between CR and LF. If the connection breaks inside a
// block, the parser does not return that block, so the client asks for the block's event again.

/** The maximum length of a line, and of the data of one block, in bytes. */
export const MOST_BYTES = 1024 * 1024;

const LF = 10;
const CR = 13;
const BOM = "\ufeff";

/**
 * The fields between two empty lines.
 *
 * @typedef {object} Block
 * @property {string | null} data The data lines, joined by line feeds; null if there are none.
 * @property {string | null} id The id; "" if the block clears it; null if the block has no id.
 * @property {string} event The event's name; "" for an unnamed message.
 * @property {number | null} retry The wait before a reconnect, in milliseconds; null if the block has none.
 * @property {string} [comment] The last comment.
 */

/** The stream has a line or block over the limit. The parser cannot continue. */
export class BlockTooLarge extends Error {
  constructor() {
    super(`the stream has a line or event over ${MOST_BYTES / 1024} KiB: check the gateway's address`);
    this.name = "BlockTooLarge";
  }
}

/** @returns {Block} */
const emptyBlock = () => ({ data: null, id: null, event: "", retry: null });

/** Parses the stream of one connection. */
export class SseParser {
  // Each line is decoded separately, because no character spans two lines. A byte order mark is dropped only
  // at the start of the stream.
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** @type {Uint8Array[]} The parts of a line whose end has not arrived. */
  #parts = [];
  #partBytes = 0;
  #afterCr = false;
  #firstLine = true;
  #block = emptyBlock();
  #blank = true;
  /** @type {string[]} */
  #data = [];
  #dataBytes = 0;
  #lineBytes = 0;

  /**
   * Parses the next bytes.
   *
   * @param {Uint8Array} bytes
   * @returns {Block[]} The blocks that the bytes complete.
   * @throws {BlockTooLarge} Do not use the parser after this error.
   */
  feed(bytes) {
    /** @type {Block[]} */
    const blocks = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte !== LF && byte !== CR) {
        this.#afterCr = false;
        continue;
      }
      if (byte === LF && this.#afterCr) {
        this.#afterCr = false;
        start = at + 1;
        continue;
      }
      this.#afterCr = byte === CR;
      this.#take(this.#line(bytes.subarray(start, at)), blocks);
      start = at + 1;
    }
    if (start < bytes.length) {
      this.#hold(bytes.slice(start));
    }
    return blocks;
  }

  /** @param {Uint8Array} part */
  #hold(part) {
    this.#partBytes += part.length;
    if (this.#partBytes + this.#dataBytes > MOST_BYTES) throw new BlockTooLarge();
    this.#parts.push(part);
  }

  /**
   * Returns the line that ends with these bytes.
   *
   * @param {Uint8Array} end
   */
  #line(end) {
    let whole = end;
    if (this.#parts.length > 0) {
      this.#hold(end);
      whole = new Uint8Array(this.#partBytes);
      let at = 0;
      for (const part of this.#parts) {
        whole.set(part, at);
        at += part.length;
      }
      this.#parts = [];
      this.#partBytes = 0;
    }
    if (whole.length + this.#dataBytes > MOST_BYTES) throw new BlockTooLarge();
    this.#lineBytes = whole.length;
    const text = this.#decoder.decode(whole);
    const bom = this.#firstLine && text.startsWith(BOM);
    this.#firstLine = false;
    return bom ? text.slice(1) : text;
  }

  /**
   * @param {string} line
   * @param {Block[]} blocks
   */
  #take(line, blocks) {
    if (line === "") {
      if (!this.#blank) blocks.push(this.#complete());
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    switch (field) {
      case "data":
        this.#data.push(value);
        this.#dataBytes += this.#lineBytes;
        break;
      case "id":
        if (value.includes("\0")) return;
        this.#block.id = value;
        break;
      case "event":
        this.#block.event = value;
        break;
      case "retry":
        if (!/^[0-9]+$/.test(value)) return;
        this.#block.retry = Number(value);
        break;
      case "":
        this.#block.comment = value;
        break;
      default:
        return;
    }
    this.#blank = false;
  }

  #complete() {
    const block = this.#block;
    if (this.#data.length > 0) block.data = this.#data.join("\n");
    this.#block = emptyBlock();
    this.#blank = true;
    this.#data = [];
    this.#dataBytes = 0;
    return block;
  }
}
