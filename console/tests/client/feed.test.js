import assert from "node:assert/strict";
import { test } from "node:test";

import { OasisFeed } from "../../client/index.js";
import { connected, event, follow, frame, heartbeat, ids, Server, ticker } from "./server.js";

const options = { timeout: 60_000 };
const gap = (from, to, reason) => frame({ type: "gap", from, to, reason });
const mode = (mode) => frame({ type: "mode", mode, ts: "2026-01-02T03:04:05.000Z" });

test("the feed delivers the replay, then new events, and measures their delay", options, async (t) => {
  const server = await Server.start(t);
  const { feed, of, events, until, state, clock } = follow(t, server.url, {
    token: "secret",
    filters: { status: ["failure", "success"], vtid: "" },
  });
  assert.deepEqual([feed.state, feed.reason], ["offline", "stopped"]);
  feed.start();
  feed.start();
  assert.equal(feed.state, "connecting");
  const { request, response, query, cursor } = await server.stream(
    `: hello\n\n${connected(2)}${event(1)}${event(2)}`,
  );
  assert.equal(request.headers.authorization, "Bearer secret");
  assert.deepEqual([...query], [["status", "failure,success"]]);
  assert.equal(cursor, null);
  await state("live");
  await events(2);
  assert.equal(feed.delay, null, "replayed events do not change the delay");
  response.write(event(3, { link: "javascript:alert(1)" }) + heartbeat);
  await until(() => of("heartbeat").length === 1);
  assert.deepEqual(
    of("events").map(({ events, replay }) => [ids(events), replay]),
    [
      [[1, 2], true],
      [[3], false],
    ],
  );
  assert.deepEqual(feed.events.at(-1), {
    id: 3,
    ...ticker(3),
    receivedAt: clock.now(),
    simulated: false,
  });
  assert.deepEqual([feed.delay, feed.lastEventId, feed.transport, feed.tries], [1_000, 3, "sse", 0]);
  assert.deepEqual(of("heartbeat")[0].ts, "2026-01-02T03:04:05.000Z");
  assert.equal(server.count, 1);
});

test(
  "the feed measures how far the clock is off, and ignores a difference below two seconds",
  options,
  async (t) => {
    for (const [ahead, measured] of [
      [600_000, 600_000],
      [-600_000, -600_000],
      [1_500, 0],
    ]) {
      const server = await Server.start(t);
      const { feed, state, clock } = follow(t, server.url);
      feed.start();
      const ts = new Date(clock.now() - ahead).toISOString();
      await server.stream(frame({ type: "connected", ts, mode: "live", head: 0 }));
      await state("live");
      assert.equal(feed.clockOffset, measured);
    }
  },
);

test("one event that arrives long after its time does not change the delay", options, async (t) => {
  const server = await Server.start(t);
  const { feed, events, state } = follow(t, server.url);
  feed.start();
  const { response } = await server.stream(connected(0));
  await state("live");
  response.write(event(1) + event(2) + event(3, { ts: "2025-12-31T00:00:00.000Z" }));
  await events(3);
  assert.equal(feed.delay, 1_000);
  response.write(event(4, { ts: "no time" }) + event(5, { ts: "2036-01-01T00:00:00.000Z" }));
  await events(5);
  assert.equal(feed.delay, 1_000, "the median of 0 s, 1 s, 1 s and two days is 1 s");
});

test("a reconnect resumes after the last id, even if that id had no event", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, events, retry, shown, of, until } = follow(t, server.url);
  feed.start();
  const first = await server.stream(`${connected(5)}${event(4)}${event(5)}id: 9\n\n`);
  await until(() => feed.lastEventId === 9);
  first.response.end();
  await state("reconnecting");
  assert.equal(feed.reason, "closed");
  await retry();
  const second = await server.stream(connected(9) + event(9) + event(4) + event(10));
  assert.equal(second.cursor, "9");
  await events(3);
  assert.deepEqual(ids(shown()), [4, 5, 10]);
  // The connection breaks in the middle of an event, so this event must arrive again.
  second.response.write(event(11).slice(0, -1));
  second.response.write(": life");
  second.response.socket.resetAndDestroy();
  await state("reconnecting");
  await retry();
  const third = await server.stream(connected(11) + event(11) + heartbeat);
  assert.equal(third.cursor, "10");
  await until(() => of("heartbeat").length === 1);
  assert.deepEqual(ids(shown()), [4, 5, 10, 11]);
  assert.deepEqual(
    of("state").map(({ state, reason }) => `${state} ${reason}`),
    [
      "connecting start",
      "live connected",
      "reconnecting closed",
      "reconnecting trying",
      "live connected",
      "reconnecting network",
      "reconnecting trying",
      "live connected",
    ],
  );
});

test("with lastEventId, the feed delivers only events after it", options, async (t) => {
  const server = await Server.start(t);
  const { feed, events, shown } = follow(t, server.url, { lastEventId: "41" });
  feed.start();
  const { cursor } = await server.stream(connected(42) + event(40) + event(41) + event(42));
  assert.equal(cursor, "41");
  await events(1);
  assert.deepEqual(ids(shown()), [42]);
  assert.throws(() => new OasisFeed({ url: server.url, lastEventId: "x" }), TypeError);
  assert.throws(() => new OasisFeed(), TypeError);
  assert.throws(() => new OasisFeed({ url: "not an address" }), TypeError);
});

test("silence ends a connection, while heartbeats and comments keep it alive", options, async (t) => {
  const server = await Server.start(t);
  const { feed, clock, state, until, of } = follow(t, server.url);
  feed.start();
  const { request, response } = await server.stream(connected(1) + event(1));
  await state("live");
  clock.advance(39_000);
  response.write(heartbeat);
  await until(() => of("heartbeat").length === 1);
  clock.advance(39_000);
  response.write(`: away\n\nid: 7\n\n`);
  await until(() => feed.lastEventId === 7);
  clock.advance(39_999);
  assert.equal(feed.state, "live");
  const closed = new Promise((resolve) => request.once("close", resolve));
  clock.advance(1);
  await state("reconnecting");
  assert.equal(feed.reason, "silence");
  await closed;
});

test("a request without a response fails after 40 s of silence", options, async (t) => {
  const server = await Server.start(t);
  const { feed, clock, state } = follow(t, server.url);
  feed.start();
  await server.next();
  clock.advance(40_000);
  await state("reconnecting");
  assert.equal(feed.reason, "silence");
});

test("simulated events are marked, and are removed when the mode becomes live", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, until, shown, recorded } = follow(t, server.url);
  feed.start();
  const simulated = frame(ticker(0));
  const { response } = await server.stream(connected(0, "mock") + simulated + simulated);
  await state("mock");
  await until(() => feed.events.length === 2);
  assert.ok(feed.events.every(({ simulated, id }) => simulated && id === null));
  response.write(event(1) + mode("live") + simulated + event(2));
  await until(() => feed.lastEventId === 2);
  await state("live");
  assert.deepEqual(ids(feed.events), [1, 2]);
  assert.deepEqual(ids(shown()), [null, null, 1, 2], "a live feed drops an event without an id");
  assert.equal(recorded.find(({ reason }) => reason === "mode").previous, "mock");
});

test("a gap is reported in the order of the events, and moves the cursor", options, async (t) => {
  const server = await Server.start(t);
  const { feed, events, recorded, state, retry } = follow(t, server.url, { lastEventId: 5 });
  feed.start();
  const { response } = await server.stream(connected(22) + event(6) + gap(6, 20, "pruned") + event(21));
  await events(2);
  assert.deepEqual(
    recorded
      .filter(({ type }) => type !== "state")
      .map(({ type, events, from, to }) => events?.length ?? [type, from, to]),
    [1, ["gap", 6, 20], 1],
  );
  assert.equal(feed.lastEventId, 21);
  response.end(gap(21, 30, "pruned"));
  await state("reconnecting");
  await retry();
  assert.equal((await server.stream()).cursor, "30");
});

test("a reset clears the cursor, and ids below the old cursor may follow", options, async (t) => {
  const server = await Server.start(t);
  const { feed, until, of, events, shown, retry } = follow(t, server.url, { lastEventId: 100 });
  feed.start();
  const first = await server.stream(connected(101) + event(101));
  await events(1);
  first.response.write(gap(101, 50, "reset"));
  await until(() => of("gap").length === 1);
  assert.deepEqual([of("gap")[0].reason, feed.lastEventId, feed.events.length], ["reset", null, 0]);
  first.response.end();
  await retry();
  const second = await server.stream(connected(50) + event(49) + event(50) + event(51));
  assert.equal(second.cursor, null, "the feed begins with the last events again");
  await events(4);
  assert.deepEqual(ids(shown()), [101, 49, 50, 51]);
  assert.deepEqual(
    of("events").map(({ replay }) => replay),
    [true, true, false],
  );
  second.response.write(event(50) + gap(51, 51, "reset") + event(51) + event(52));
  await events(6);
  assert.deepEqual(ids(feed.events), [51, 52]);
});

test("the feed keeps at most `keep` events", options, async (t) => {
  const server = await Server.start(t);
  const { feed, events, shown } = follow(t, server.url, { keep: 7 });
  feed.start();
  const many = Array.from({ length: 50 }, (_, at) => event(at + 1));
  let most = 0;
  feed.addEventListener("events", () => {
    most = Math.max(most, feed.events.length);
  });
  const { response } = await server.stream(connected(0) + many.slice(0, 5).join(""));
  await events(5);
  response.write(many.slice(5, 8).join(""));
  await events(8);
  response.write(many.slice(8).join(""));
  await events(50);
  assert.equal(shown().length, 50);
  assert.deepEqual(ids(feed.events), [44, 45, 46, 47, 48, 49, 50]);
  assert.equal(most, 7);
});

test("setFilters() drops the events and starts with the last events that match", options, async (t) => {
  const server = await Server.start(t);
  const { feed, events, shown, state, recorded } = follow(t, server.url);
  feed.start();
  const first = await server.stream(connected(90) + event(90));
  await events(1);
  feed.setFilters({ vtid: undefined, kind: [] });
  assert.equal(feed.state, "live", "equal filters change nothing");
  const closed = new Promise((resolve) => first.request.once("close", resolve));
  feed.setFilters({ status: "failure" });
  assert.deepEqual(
    [feed.state, feed.reason, feed.lastEventId, feed.events.length],
    ["connecting", "filters", null, 0],
  );
  await closed;
  const second = await server.stream(connected(90) + event(3) + event(7));
  assert.deepEqual([second.cursor, second.query.get("status")], [null, "failure"]);
  await state("live");
  await events(3);
  assert.deepEqual(ids(feed.events), [3, 7]);
  assert.deepEqual(ids(shown()), [90, 3, 7]);
  feed.stop();
  feed.setFilters({});
  assert.equal(feed.state, "offline");
  assert.equal(recorded.at(-1).reason, "stopped");
});

test("a listener may stop the feed or change its filters in the middle of a chunk", options, async (t) => {
  const server = await Server.start(t);
  const { feed, until, shown } = follow(t, server.url);
  feed.addEventListener("events", () => feed.stop(), { once: true });
  feed.start();
  // The first event is a replay and the second is not, so they arrive in two batches.
  await server.stream(connected(1) + event(1) + event(2));
  await until(() => feed.state === "offline");
  assert.deepEqual([ids(shown()), feed.lastEventId], [[1], 1]);
  feed.addEventListener("gap", () => feed.setFilters({ kind: "push" }), { once: true });
  feed.start();
  const second = await server.stream(connected(9) + event(2) + gap(2, 5, "pruned") + event(6));
  assert.equal(second.cursor, "1", "an event that was not delivered arrives again");
  const third = await server.stream(connected(6) + event(6));
  assert.equal(third.cursor, null);
  await until(() => feed.events.length === 1);
  assert.deepEqual(ids(shown()), [1, 2, 6]);
});

test("messages that are not events are ignored", options, async (t) => {
  const server = await Server.start(t);
  const { feed, events, shown } = follow(t, server.url);
  feed.start();
  await server.stream(
    [
      connected(0),
      "data: no json\n\n",
      "id: 1\ndata: [1]\n\n",
      "id: 2\ndata: null\n\n",
      `event: other\nid: 3\n${frame(ticker(3))}`,
      `id: x4\n${frame(ticker(4))}`,
      frame({ type: "news" }),
      `event: message\nid: 5\ndata: {"ts":7}\n\n`,
    ].join(""),
  );
  await events(1);
  assert.deepEqual(ids(shown()), [5]);
  assert.equal(shown()[0].ts, "");
});
