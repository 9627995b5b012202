// Provides a server that a test controls request by request, and a feed whose events are recorded.

import { once } from "node:events";
import { createServer } from "node:http";

import { OasisFeed } from "../../client/index.js";
import { Clock } from "./clock.js";

export const STREAM = { "Content-Type": "text/event-stream" };

/** The fields of an event with this id. */
export const ticker = (id, more = {}) => ({
  ts: "2026-01-02T03:04:04.000Z",
  vtid: "DEV-CICDL-0031",
  layer: "CICDL",
  module: "CORE",
  source: "github.actions",
  kind: "push",
  status: "info",
  title: `Ünïcode 🚀 ${id}`,
  ref: "vt/DEV-CICDL-0031-push",
  link: null,
  ...more,
});
export const frame = (value) => `data: ${JSON.stringify(value)}\n\n`;
export const event = (id, more) => `id: ${id}\n${frame(ticker(id, more))}`;
export const connected = (head = 0, mode = "live") =>
  frame({ type: "connected", ts: "2026-01-02T03:04:05.000Z", mode, head });
export const heartbeat = frame({ type: "heartbeat", ts: "2026-01-02T03:04:05.000Z" });
export const ids = (events) => events.map(({ id }) => id);

/** A server whose requests wait in a queue until the test takes them, unless `answer` handles them. */
export class Server {
  #queue = [];
  #waiting = [];
  #http = createServer((request, response) => {
    const query = new URL(request.url, "http://server").searchParams;
    const asked = { request, response, query, path: request.url.split("?")[0] };
    asked.cursor = request.headers["last-event-id"] ?? null;
    this.count += 1;
    if (this.answer?.(asked)) return;
    const taker = this.#waiting.shift();
    if (taker) taker(asked);
    else this.#queue.push(asked);
  });
  count = 0;
  answer = null;

  static async start(context) {
    const server = new Server();
    server.#http.listen(0, "127.0.0.1");
    await once(server.#http, "listening");
    context.after(() => {
      server.#http.closeAllConnections();
      server.#http.close();
    });
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.#http.address().port}`;
  }

  /** The number of open connections. */
  open() {
    return new Promise((resolve, reject) =>
      this.#http.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  }

  /** Takes the next request. */
  next() {
    const asked = this.#queue.shift();
    return asked ? Promise.resolve(asked) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Takes the next request and begins a stream. */
  async stream(text = "") {
    const asked = await this.next();
    asked.response.writeHead(200, STREAM);
    asked.response.flushHeaders();
    if (text) asked.response.write(text);
    return asked;
  }

  /** Takes the next request and answers it in full. */
  async refuse(status, headers = {}, body = "") {
    const asked = await this.next();
    asked.response.writeHead(status, headers).end(body);
    return asked;
  }
}

/** Makes a feed with a test clock, and records every event that the feed dispatches. */
export function follow(context, url, options = {}) {
  const make = (clocked) => new OasisFeed({ url, ...clocked, ...options });
  return record(context, make, ["events", "state", "gap", "heartbeat"]);
}

/** Makes a stream with a test clock, and records every event of these types. */
export function record(context, make, types) {
  const clock = new Clock();
  const recorded = [];
  const waiting = new Set();
  const checkAll = () => {
    for (const check of waiting) check();
  };
  // Check the conditions whenever the feed uses its clock. The feed uses its clock with each chunk, even if
  // the feed dispatches no event.
  const checking = (work) => {
    return (...values) => {
      queueMicrotask(checkAll);
      return work(...values);
    };
  };
  const now = checking(clock.now);
  const setTimeout = checking(clock.setTimeout);
  const clearTimeout = checking(clock.clearTimeout);
  const feed = make({ now, setTimeout, clearTimeout, random: () => 0 });
  for (const type of types) {
    feed.addEventListener(type, ({ detail }) => {
      recorded.push({ type, ...detail });
      checkAll();
    });
  }
  context.after(() => feed.stop());
  const until = (condition) =>
    new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  const of = (wanted) => recorded.filter(({ type }) => type === wanted);
  const shown = () => of("events").flatMap(({ events }) => events);
  return {
    clock,
    feed,
    recorded,
    of,
    until,
    shown,
    state: (state) => until(() => feed.state === state),
    events: (count) => until(() => shown().length >= count),
    /** Advances the clock to the feed's next attempt. */
    async retry() {
      await until(() => feed.retryAt !== null);
      clock.advance(feed.retryAt - clock.now());
      await until(() => feed.retryAt === null);
    },
  };
}
