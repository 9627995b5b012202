import assert from "node:assert/strict";
import { test } from "node:test";

import { BlockTooLarge, MOST_BYTES, SseParser } from "../../client/sse.js";
import { pick, seeded } from "./clock.js";

const encoder = new TextEncoder();
const bytes = (input) => (typeof input === "string" ? encoder.encode(input) : input);
const parse = (input) => new SseParser().feed(bytes(input));
const block = (more) => ({ data: null, id: null, event: "", retry: null, ...more });

/** Parses the stream in chunks that end at these places. */
function cut(input, places) {
  const parser = new SseParser();
  const whole = bytes(input);
  const ends = [...places, whole.length];
  let start = 0;
  return ends.flatMap((at) => {
    const blocks = parser.feed(whole.subarray(start, at));
    start = at;
    return blocks;
  });
}

test("fields and comments are parsed, and unknown fields are ignored", () => {
  assert.deepEqual(parse("data: a\n\n"), [block({ data: "a" })]);
  assert.deepEqual(parse("data:a\ndata: b\ndata:  c\n\n"), [block({ data: "a\nb\n c" })]);
  assert.deepEqual(parse("data\n\n"), [block({ data: "" })]);
  assert.deepEqual(parse("data\ndata\n\n"), [block({ data: "\n" })]);
  assert.deepEqual(parse("id: 7\n\n"), [block({ id: "7" })]);
  assert.deepEqual(parse("id\ndata: a\n\n"), [block({ id: "", data: "a" })]);
  assert.deepEqual(parse("event: x\ndata: a:b\n\n"), [block({ event: "x", data: "a:b" })]);
  assert.deepEqual(parse(": hello\n\n"), [block({ comment: "hello" })]);
  assert.deepEqual(parse(":\n\n"), [block({ comment: "" })]);
  assert.deepEqual(parse("colour: red\nDATA: a\n\n\n\n"), []);
  assert.deepEqual(parse("data: unfinished\n"), []);
});

test("a retry field must be digits, and an id with NUL is ignored", () => {
  assert.deepEqual(parse("retry: 1500\n\n"), [block({ retry: 1500 })]);
  for (const wrong of ["", "1.5", "-1", "1e3", "٣", " 5"]) {
    assert.deepEqual(parse(`retry: ${wrong}\n\n`), [], wrong);
  }
  assert.deepEqual(parse("id: 7\nid: 8\0\ndata: a\n\n"), [block({ id: "7", data: "a" })]);
});

test("a byte order mark is dropped only at the start of the stream", () => {
  assert.deepEqual(parse("\ufeffdata: a\n\n"), [block({ data: "a" })]);
  assert.deepEqual(parse("\ufeff\ufeffdata: a\n\n"), []);
  assert.deepEqual(parse("data: \ufeffa\n\n\ufeffdata: b\n\n"), [block({ data: "\ufeffa" })]);
  assert.deepEqual(cut("\ufeffdata: a\n\n", [1, 2]), [block({ data: "a" })]);
});

test("CR, LF and CRLF end a line, even across chunks", () => {
  const wanted = [block({ data: "a\nb" }), block({ data: "c" })];
  for (const stream of [
    "data: a\rdata: b\r\rdata: c\r\r",
    "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n",
    "data: a\ndata: b\r\r\ndata: c\n\r",
    "data: a\r\ndata: b\n\ndata: c\r\n\n",
  ]) {
    const whole = bytes(stream);
    for (let at = 0; at <= whole.length; at += 1) {
      assert.deepEqual(cut(stream, [at]), wanted, JSON.stringify([stream, at]));
    }
  }
  const parser = new SseParser();
  assert.deepEqual(parser.feed(bytes("data: a\r\r")), [block({ data: "a" })], "CR ends the block");
  assert.deepEqual(parser.feed(bytes("\ndata: b\n\n")), [block({ data: "b" })]);
});

test("broken UTF-8 becomes replacement characters", () => {
  const stream = new Uint8Array([...bytes("data: "), 0xff, 0xf0, 0x9f, ...bytes("\n\n")]);
  assert.deepEqual(parse(stream), [block({ data: "\ufffd\ufffd" })]);
});

test("the parser returns the same blocks, however a stream is split into chunks", () => {
  const pieces = ["data", ": ", ":", "id", "event", "retry", "7", "150", "x", "ü", "🚀", "\ufeff", "\0", " "];
  const ends = ["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r"];
  let blocks = 0;
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = seeded(seed);
    let stream = random() < 0.3 ? "\ufeff" : "";
    for (let line = pick(random, 1, 30); line > 0; line -= 1) {
      for (let piece = pick(random, 0, 5); piece > 0; piece -= 1) {
        stream += pieces[pick(random, 0, pieces.length - 1)];
      }
      if (random() < 0.4) stream += `data: ${"é".repeat(pick(random, 0, 9))}`;
      stream += ends[pick(random, 0, ends.length - 1)];
    }
    const whole = bytes(stream);
    const wanted = parse(whole);
    blocks += wanted.length;
    const every = Array.from(whole.keys());
    assert.deepEqual(cut(whole, every), wanted, `seed ${seed}, byte by byte`);
    for (let round = 0; round < 20; round += 1) {
      const places = every.filter(() => random() < 0.2);
      assert.deepEqual(cut(whole, places), wanted, `seed ${seed}, cut at ${places}`);
    }
  }
  assert.ok(blocks > 1_000, `the test parsed only ${blocks} blocks`);
});

test("a block over the size limit is an error, however many chunks and lines the block has", () => {
  const most = "x".repeat(MOST_BYTES - 6);
  assert.equal(parse(`data: ${most}\n\n`)[0].data.length, most.length);
  assert.throws(() => parse(`data: ${most}y\n\n`), BlockTooLarge);
  const line = `data: ${"x".repeat(1_000)}\n`;
  assert.throws(() => parse(line.repeat(2_000)), BlockTooLarge, "a block of many lines");
  const parser = new SseParser();
  const endless = new Uint8Array(64 * 1024).fill(120);
  assert.throws(() => {
    for (let chunk = 0; chunk < 20; chunk += 1) parser.feed(endless);
  }, BlockTooLarge);
  const comments = new SseParser();
  const hello = bytes(": hello, without an empty line\n".repeat(10_000));
  for (let chunk = 0; chunk < 10; chunk += 1) assert.deepEqual(comments.feed(hello), []);
});
