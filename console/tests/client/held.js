// Simulates a gateway behind a proxy that holds streams back, and makes feeds that poll this gateway.

import assert from "node:assert/strict";

import { follow, Server, STREAM, ticker } from "./server.js";

/** Starts a gateway whose query API works, but whose streams deliver no byte. */
export async function held(t) {
  const server = await Server.start(t);
  const held = { server, last: 0, streams: [], queries: [], stream: null, failing: 0, drop: 0 };
  server.answer = ({ response, path, query, cursor, request }) => {
    if (path.endsWith("/feed")) {
      held.streams.push({ cursor, request, response });
      response.writeHead(200, STREAM).flushHeaders();
      held.stream?.(response);
      return true;
    }
    held.queries.push(Object.fromEntries(query));
    if (held.failing > 0) {
      held.failing -= 1;
      response.writeHead(500).end();
      return true;
    }
    const limit = Number(query.get("limit"));
    const newest = Math.min(held.last, Number(query.get("before") ?? held.last + 1) - 1);
    const rows = [];
    for (let id = newest; id > held.drop && rows.length < limit; id -= 1) {
      const meta = held.repeats?.(id) ? { repeat: true } : {};
      rows.push({ ...ticker(id), id, recorded_at: "", channel: "devhub", meta });
    }
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(rows));
    return true;
  };
  return held;
}

/** Starts a feed, lets the time limit for the stream's first byte pass, and waits until the feed polls. */
export async function polling({ server }, { clock, feed, until }) {
  feed.start();
  const answered = until(() => clock.pending === 2);
  await answered;
  assert.equal(server.count, 1);
  clock.advance(10_000);
  await until(() => feed.transport === "poll" && feed.state === "live");
}

export const upTo = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
/** Waits until this many polls are done and the feed waits for the next one. */
export const sleeping = ({ clock, until, of }, polls) =>
  until(() => of("heartbeat").length === polls && clock.asked.get(2_000) === polls);

/** Makes a feed that has polled a gateway once. The gateway has the events up to id `last`. */
export async function polled(t, last, options) {
  const gateway = await held(t);
  gateway.last = last;
  const followed = follow(t, gateway.server.url, options);
  await polling(gateway, followed);
  await sleeping(followed, 1);
  return { gateway, followed };
}
