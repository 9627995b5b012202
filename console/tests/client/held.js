// A gateway behind a proxy that holds its streams back, and the way to where it is polled.

import assert from "node:assert/strict";

import { follow, Server, STREAM, ticker } from "./server.js";

/** A gateway whose streams a proxy holds back, while its query API works. */
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

/** Lets the time without a byte pass, so that polls begin. */
export async function polling({ server }, { clock, feed, until }) {
  feed.start();
  const answered = until(() => clock.pending === 2);
  await answered;
  assert.equal(server.count, 1);
  clock.advance(10_000);
  await until(() => feed.transport === "poll" && feed.state === "live");
}

export const upTo = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
/** So many polls are through, and the next is waited for. */
export const sleeping = ({ clock, until, of }, polls) =>
  until(() => of("heartbeat").length === polls && clock.asked.get(2_000) === polls);

/** A feed that has polled a gateway of so many events once. */
export async function polled(t, last, options) {
  const gateway = await held(t);
  gateway.last = last;
  const followed = follow(t, gateway.server.url, options);
  await polling(gateway, followed);
  await sleeping(followed, 1);
  return { gateway, followed };
}
