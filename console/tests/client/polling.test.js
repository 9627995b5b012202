import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { connected, event, follow, ids, Server, STREAM, ticker } from "./server.js";

const options = { timeout: 10_000 };

/** A gateway whose streams a proxy holds back, while its query API works. */
async function held(t) {
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
async function polling({ server }, { clock, feed, until }) {
  feed.start();
  const answered = until(() => clock.pending === 2);
  await answered;
  assert.equal(server.count, 1);
  clock.advance(10_000);
  await until(() => feed.transport === "poll" && feed.state === "live");
}

const upTo = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
/** So many polls are through, and the next is waited for. */
const sleeping = ({ clock, until, of }, polls) =>
  until(() => of("heartbeat").length === polls && clock.asked.get(2_000) === polls);

test("polls where no byte comes through, oldest first, each event once", options, async (t) => {
  const gateway = await held(t);
  gateway.last = 30;
  const followed = follow(t, gateway.server.url, { filters: { kind: "push" } });
  const { feed, clock, shown, of } = followed;
  await polling(gateway, followed);
  await sleeping(followed, 1);
  assert.deepEqual(ids(shown()), upTo(11, 30), "begins with the last 20");
  assert.deepEqual(gateway.queries, [{ kind: "push", limit: "100" }]);
  assert.deepEqual([of("events")[0].replay, feed.delay], [true, null]);
  const { response } = gateway.streams[0];
  if (!response.closed) await once(response, "close");
  gateway.last = 33;
  clock.advance(1_999);
  assert.equal(gateway.queries.length, 1);
  clock.advance(1);
  await sleeping(followed, 2);
  assert.deepEqual(ids(shown()), upTo(11, 33));
  assert.deepEqual([of("events")[1].replay, feed.lastEventId], [false, 33]);
  assert.equal(feed.delay, shown().at(-1).receivedAt - Date.parse(ticker(1).ts));
  clock.advance(2_000);
  await sleeping(followed, 3);
  assert.deepEqual(ids(shown()), upTo(11, 33));
  assert.deepEqual(
    of("state").map(({ reason }) => reason),
    ["start", "polling"],
  );
});

test(
  "many new events between two polls are all found, and those that come meanwhile are left",
  options,
  async (t) => {
    const gateway = await held(t);
    gateway.last = 5;
    const followed = follow(t, gateway.server.url, { keep: 100 });
    const { feed, clock, shown } = followed;
    await polling(gateway, followed);
    await sleeping(followed, 1);
    gateway.last = 3_505;
    const answer = gateway.server.answer;
    gateway.server.answer = (asked) => {
      const answered = answer(asked);
      gateway.last += 7;
      return answered;
    };
    clock.advance(2_000);
    await sleeping(followed, 2);
    assert.deepEqual(ids(shown()), upTo(1, 3_505));
    assert.deepEqual(
      gateway.queries.slice(1).map(({ limit, before }) => [limit, before]),
      [
        ["100", undefined],
        ["1000", "3406"],
        ["1000", "2406"],
        ["1000", "1406"],
        ["1000", "406"],
      ],
    );
    clock.advance(2_000);
    await sleeping(followed, 3);
    assert.deepEqual(ids(shown()), upTo(1, 3_505 + 5 * 7));
    assert.equal(feed.events.length, 100);
  },
);

test("more than can be held is skipped, and said", options, async (t) => {
  const gateway = await held(t);
  const followed = follow(t, gateway.server.url, { lastEventId: 10 });
  gateway.last = 30_000;
  await polling(gateway, followed);
  await sleeping(followed, 1);
  const [{ from, to, reason }] = followed.of("gap");
  assert.deepEqual([from, to, reason], [10, 19_900, "skipped"]);
  assert.deepEqual(ids(followed.shown()), upTo(19_901, 30_000));
});

test("a page that fails loses nothing: all of it is asked for again", options, async (t) => {
  const gateway = await held(t);
  const followed = follow(t, gateway.server.url, { lastEventId: 0 });
  const { feed, clock, shown, state, retry } = followed;
  gateway.last = 50;
  await polling(gateway, followed);
  await sleeping(followed, 1);
  gateway.last = 900;
  const answer = gateway.server.answer;
  gateway.server.answer = (asked) => {
    if (asked.query.has("before")) {
      gateway.failing = 1;
      gateway.server.answer = answer;
    }
    return answer(asked);
  };
  clock.advance(2_000);
  await state("reconnecting");
  assert.deepEqual([feed.reason, feed.transport, shown().length], ["server_error", "poll", 50]);
  await retry();
  await sleeping(followed, 2);
  assert.deepEqual(ids(shown()), upTo(1, 900));
});

test("where nothing was to be found, everything is new", options, async (t) => {
  const gateway = await held(t);
  const followed = follow(t, gateway.server.url);
  await polling(gateway, followed);
  await sleeping(followed, 1);
  gateway.last = 45;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  assert.deepEqual(ids(followed.shown()), upTo(1, 45));
});

test("begins without the pings that only repeat, and shows those that come later", options, async (t) => {
  const gateway = await held(t);
  gateway.repeats = (id) => id > 40;
  gateway.last = 90;
  const followed = follow(t, gateway.server.url);
  await polling(gateway, followed);
  await sleeping(followed, 1);
  assert.deepEqual(ids(followed.shown()), upTo(21, 40));
  assert.equal(followed.feed.lastEventId, 90);
  gateway.last = 92;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  assert.deepEqual(ids(followed.shown()), [...upTo(21, 40), 91, 92]);
});

test("a restored database is seen by polls, too", options, async (t) => {
  const gateway = await held(t);
  const followed = follow(t, gateway.server.url);
  gateway.last = 100;
  await polling(gateway, followed);
  await sleeping(followed, 1);
  gateway.last = 60;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  const [{ from, to, reason }] = followed.of("gap");
  assert.deepEqual([from, to, reason], [100, 60, "reset"]);
  assert.deepEqual(ids(followed.feed.events), upTo(41, 60));
  assert.equal(followed.feed.lastEventId, 60);
});

test("pruning is no reset", options, async (t) => {
  const gateway = await held(t);
  const followed = follow(t, gateway.server.url);
  gateway.last = 100;
  await polling(gateway, followed);
  await sleeping(followed, 1);
  gateway.drop = 100;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  gateway.last = 101;
  followed.clock.advance(2_000);
  await sleeping(followed, 3);
  assert.deepEqual(followed.of("gap"), []);
  assert.deepEqual(ids(followed.shown()), upTo(81, 101));
});

test(
  "a stream is tried every minute beside the polls, and takes over with its first byte",
  options,
  async (t) => {
    const gateway = await held(t);
    gateway.last = 20;
    const followed = follow(t, gateway.server.url);
    const { feed, clock, shown, until, events, of, state, retry } = followed;
    await polling(gateway, followed);
    await sleeping(followed, 1);
    const began = gateway.streams.length;
    const poll = async () => {
      const polls = of("heartbeat").length;
      clock.advance(2_000);
      await until(() => of("heartbeat").length === polls + 1);
    };
    for (let round = 0; round < 30; round += 1) {
      assert.equal(gateway.streams.length, began);
      await poll();
      gateway.last += 1;
    }
    await until(() => gateway.streams.length === began + 1 && clock.pending === 3);
    assert.equal(gateway.streams.at(-1).cursor, "49");
    // Polls go on while it is being tried, for ten seconds.
    for (let round = 0; round < 5; round += 1) await poll();
    assert.equal(feed.lastEventId, 50);
    assert.equal(feed.transport, "poll");
    gateway.stream = (response) => response.write(`${connected(52)}${event(50)}${event(51)}${event(52)}`);
    // That try was given up after ten seconds; the next comes a minute later.
    for (let round = 0; round < 30; round += 1) await poll();
    await events(52);
    assert.deepEqual(ids(shown()), upTo(1, 52), "nothing twice");
    assert.equal(feed.transport, "sse");
    const asked = gateway.queries.length;
    clock.advance(10_000);
    assert.equal(gateway.queries.length, asked, "no more polls");
    assert.deepEqual(
      of("state").map(({ reason }) => reason),
      ["start", "polling"],
    );
    gateway.streams.at(-1).response.end();
    await state("reconnecting");
    gateway.stream = (response) => response.write(connected(53) + event(53));
    await retry();
    await events(53);
    assert.equal(gateway.streams.at(-1).cursor, "52");
  },
);

test("a body that can't be streamed is polled for at once", options, async (t) => {
  const gateway = await held(t);
  gateway.last = 3;
  const noStream = async (target, init) => {
    const response = await fetch(target, init);
    if (!String(target).includes("/feed")) return response;
    return { ok: true, status: 200, headers: response.headers, body: null };
  };
  const { feed, events, shown } = follow(t, gateway.server.url, { fetch: noStream });
  feed.start();
  await events(3);
  assert.deepEqual([ids(shown()), feed.transport], [[1, 2, 3], "poll"]);
});

test("connections that fall silent again and again are polled for", options, async (t) => {
  const gateway = await held(t);
  gateway.last = 4;
  gateway.stream = (response) => response.write(connected(3) + event(3));
  const { feed, clock, state, retry, events, shown } = follow(t, gateway.server.url);
  feed.start();
  for (const _ of [1, 2]) {
    await state("live");
    clock.advance(40_000);
    await state("reconnecting");
    await retry();
  }
  await events(2);
  assert.deepEqual([ids(shown()), feed.transport], [[3, 4], "poll"]);
});

test("where polls don't work either, streams are tried again, with the same bound", options, async (t) => {
  const gateway = await held(t);
  gateway.failing = 100;
  const { feed, clock, until, retry } = follow(t, gateway.server.url, { maxTries: 3 });
  feed.start();
  for (let tries = 1; tries <= 3; tries += 1) {
    await until(() => gateway.streams.length === tries && clock.pending === 2);
    clock.advance(10_000);
    await until(() => feed.retryAt !== null || feed.state === "offline");
    assert.equal(gateway.queries.length, tries);
    if (tries < 3) await retry();
  }
  assert.deepEqual([feed.state, feed.reason, clock.pending], ["offline", "gave_up", 0]);
});

test("other filters and stop() end polls", options, async (t) => {
  const gateway = await held(t);
  gateway.last = 30;
  const followed = follow(t, gateway.server.url);
  const { feed, clock, state } = followed;
  await polling(gateway, followed);
  await sleeping(followed, 1);
  feed.setFilters({ status: "failure" });
  assert.equal(feed.state, "connecting");
  await state("live");
  await sleeping(followed, 2);
  assert.deepEqual(gateway.queries.at(-1), { status: "failure", limit: "100" });
  assert.equal(feed.events.length, 20);
  feed.stop();
  assert.equal(clock.pending, 0);
});
