import assert from "node:assert/strict";
import { test } from "node:test";

import { connected, event, follow, heartbeat, Server } from "./server.js";

const options = { timeout: 60_000 };
const ERROR = { code: "bad_parameter", message: "parameter `kind`: …", hint: "lower case" };

for (const [status, reason] of [
  [400, "bad_request"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [410, "refused"],
]) {
  test(`HTTP status ${status} ends the feed with the server's error`, options, async (t) => {
    const server = await Server.start(t);
    const { feed, state, clock, of } = follow(t, server.url);
    feed.start();
    await server.refuse(status, {}, JSON.stringify({ error: ERROR }));
    await state("offline");
    const { error, ...detail } = of("state").at(-1);
    assert.deepEqual(detail, {
      type: "state",
      state: "offline",
      previous: "connecting",
      retryAt: null,
      reason,
    });
    assert.deepEqual({ code: error.code, message: error.message, hint: error.hint }, ERROR);
    assert.equal(error.status, status);
    assert.equal(feed.error, error);
    assert.equal(clock.pending, 0);
    feed.retry();
    assert.equal(feed.state, "connecting", "retry() starts the feed again");
    assert.equal((await server.stream(connected())).cursor, null);
    await state("live");
  });
}

test("after HTTP status 404 the feed is offline, but tries again", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, retry } = follow(t, server.url);
  feed.start();
  await server.refuse(404);
  await state("offline");
  assert.deepEqual([feed.reason, feed.error.code], ["not_found", "http_404"]);
  await retry();
  assert.equal(feed.state, "reconnecting");
  await server.stream(connected());
  await state("live");
});

test("HTTP status 204 ends the feed until the page calls start()", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, clock } = follow(t, server.url);
  feed.start();
  await server.refuse(204);
  await state("offline");
  assert.deepEqual([feed.reason, feed.retryAt, clock.pending], ["done", null, 0]);
  feed.retry();
  assert.equal(feed.state, "offline");
  feed.start();
  await server.stream(connected());
  await state("live");
});

test("Retry-After in a 503 or 429 can extend the wait that the back-off sets", options, async (t) => {
  const server = await Server.start(t);
  const { feed, clock, until, retry } = follow(t, server.url, { random: () => 0.5 });
  feed.start();
  const waits = [];
  for (const [status, after] of [
    [500, undefined],
    [503, "120"],
    [429, "60"],
    [503, "0"],
    [502, undefined],
    [503, new Date(clock.now() + 900_000).toUTCString()],
  ]) {
    await server.refuse(status, after ? { "Retry-After": after } : {});
    await until(() => feed.retryAt !== null);
    waits.push([feed.reason, feed.retryAt - clock.now()]);
    await retry();
  }
  const dated = waits.pop();
  assert.deepEqual(waits, [
    ["server_error", 1_250],
    ["busy", 120_500],
    ["busy", 60_500],
    ["busy", 10_000],
    ["server_error", 20_000],
  ]);
  assert.ok(dated[1] > 600_000 && dated[1] <= 900_500);
});

test("the client tries again after an HTML page instead of a feed", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, retry } = follow(t, server.url);
  feed.start();
  await server.refuse(200, { "Content-Type": "text/html" }, "<html>Sign in</html>");
  await state("reconnecting");
  assert.deepEqual([feed.reason, feed.error.code], ["not_a_feed", "not_a_feed"]);
  await retry();
  await server.stream(connected());
  await state("live");
});

test("a block of 2 MiB is too large and ends the connection", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, events, retry } = follow(t, server.url);
  feed.start();
  const { response } = await server.stream(connected(1) + event(1));
  await events(1);
  response.write(`id: 2\ndata: ${"x".repeat(2 * 1024 * 1024)}\n\n`);
  await state("reconnecting");
  assert.equal(feed.reason, "block_too_large");
  await retry();
  assert.equal((await server.stream()).cursor, "1");
});

test("the feed gives up after maxTries attempts, and retry() starts it again", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, retry, until, clock } = follow(t, server.url, { maxTries: 3 });
  feed.start();
  for (const tries of [1, 2]) {
    await server.refuse(500);
    await until(() => feed.retryAt !== null);
    assert.equal(feed.tries, tries);
    await retry();
  }
  await server.refuse(500);
  await state("offline");
  assert.deepEqual([feed.reason, feed.error.status, feed.retryAt], ["gave_up", 500, null]);
  assert.deepEqual([server.count, clock.pending], [3, 0]);
  feed.retry();
  assert.deepEqual([feed.state, feed.tries], ["connecting", 1]);
  await server.refuse(500);
  await state("reconnecting");
  feed.retry();
  await server.stream(connected());
  await state("live");
  assert.equal(server.count, 5);
});

test("the feed makes ten attempts by default, and any number if maxTries is Infinity", options, async (t) => {
  const server = await Server.start(t);
  server.answer = ({ response }) => response.writeHead(500).end();
  for (const [maxTries, wanted] of [
    [undefined, 10],
    [Number.POSITIVE_INFINITY, 25],
  ]) {
    server.count = 0;
    const { feed, clock, until } = follow(t, server.url, { maxTries });
    feed.addEventListener("state", ({ detail: { retryAt } }) => {
      // Advance the clock after all listeners have run.
      if (retryAt !== null && server.count < 25) queueMicrotask(() => clock.advance(retryAt - clock.now()));
    });
    feed.start();
    await until(() => feed.reason === "gave_up" || (server.count >= 25 && feed.retryAt !== null));
    assert.equal(server.count, wanted);
    feed.stop();
  }
});

test("only a successful connection resets the back-off", options, async (t) => {
  const server = await Server.start(t);
  const { feed, clock, until, state, retry } = follow(t, server.url, { lastEventId: 1 });
  feed.start();
  const lose = async (text, lived = 0) => {
    const { response } = await server.stream(text);
    await state("live");
    clock.advance(lived);
    response.end(heartbeat);
    await until(() => feed.retryAt !== null);
    const wait = feed.retryAt - clock.now();
    await retry();
    return [wait, feed.tries];
  };
  assert.deepEqual(await lose(connected(1)), [1_000, 2]);
  assert.deepEqual(await lose(connected(1) + event(1), 4_999), [2_000, 3], "a repeated event is no success");
  assert.deepEqual(await lose(connected(1), 5_000), [1_000, 1]);
  assert.deepEqual(await lose(connected(1)), [2_000, 2]);
  assert.deepEqual(await lose(connected(2) + event(2)), [1_000, 1]);
  assert.deepEqual(await lose(`retry: 6000\n\n${connected(3)}${event(3)}`), [6_000, 1]);
  assert.deepEqual(await lose(connected(4) + event(4)), [1_000, 1], "this server does not ask for a wait");
});

test("a retry field at the end of a connection sets the next wait", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, clock } = follow(t, server.url);
  feed.start();
  const { response } = await server.stream(connected(1) + event(1));
  await state("live");
  response.end("retry: 4321\n\n");
  await state("reconnecting");
  assert.equal(feed.retryAt - clock.now(), 4_321);
});

test("the feed tries to connect at once when the browser is online again", options, async (t) => {
  globalThis.window = new EventTarget();
  t.after(() => delete globalThis.window);
  const server = await Server.start(t);
  const { feed, state } = follow(t, server.url, { maxTries: 2 });
  const online = () => globalThis.window.dispatchEvent(new Event("online"));
  feed.start();
  for (let round = 0; round < 2; round += 1) {
    await server.refuse(500);
    await state("reconnecting");
    online();
    await server.refuse(500);
    await state("offline");
    assert.equal(feed.reason, "gave_up");
    online();
    assert.equal(feed.state, "connecting");
  }
  await server.refuse(401);
  await state("offline");
  online();
  assert.equal(feed.state, "offline", "a refused feed stays offline");
  feed.start();
  await server.stream(connected());
  await state("live");
  online();
  assert.equal(feed.state, "live");
  feed.stop();
  online();
  assert.equal(feed.state, "offline");
});

test("stop() clears all timers and closes the connection in any state of the feed", options, async (t) => {
  const server = await Server.start(t);
  const stops = [
    async () => server.next(),
    async () => server.stream(),
    async ({ state }) => {
      await server.stream(connected(1) + event(1));
      await state("live");
    },
    async ({ state }) => {
      await server.refuse(500);
      await state("reconnecting");
    },
  ];
  for (const reach of stops) {
    const followed = follow(t, server.url);
    followed.feed.start();
    const asked = await reach(followed);
    followed.feed.stop();
    assert.deepEqual([followed.feed.state, followed.clock.pending], ["offline", 0]);
    if (asked) await new Promise((resolve) => asked.request.once("close", resolve));
    const count = followed.recorded.length;
    followed.clock.advance(1_000_000);
    assert.equal(followed.recorded.length, count);
  }
});
