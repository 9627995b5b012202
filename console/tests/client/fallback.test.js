import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { held, polling, sleeping, upTo } from "./held.js";
import { connected, event, follow, ids } from "./server.js";

const options = { timeout: 60_000 };

test(
  "a polling client tries a stream every minute, and stops polling at the stream's first byte",
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
    // Polls continue during the attempt, which takes ten seconds.
    for (let round = 0; round < 5; round += 1) await poll();
    assert.equal(feed.lastEventId, 50);
    assert.equal(feed.transport, "poll");
    gateway.stream = (response) => response.write(`${connected(52)}${event(50)}${event(51)}${event(52)}`);
    // The attempt ended after ten seconds. The next attempt follows a minute later.
    for (let round = 0; round < 30; round += 1) await poll();
    await events(52);
    assert.deepEqual(ids(shown()), upTo(1, 52), "no event arrives twice");
    assert.equal(feed.transport, "sse");
    const asked = gateway.queries.length;
    clock.advance(10_000);
    assert.equal(gateway.queries.length, asked, "the client has stopped polling");
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

test("a stream that delivers a byte during a poll ends the polling", options, async (t) => {
  const gateway = await held(t);
  gateway.last = 3;
  const followed = follow(t, gateway.server.url);
  const { feed, clock, shown, until, events, of } = followed;
  await polling(gateway, followed);
  for (let polls = 1; polls <= 30; polls += 1) {
    await sleeping(followed, polls);
    clock.advance(2_000);
  }
  await until(() => gateway.streams.length === 2 && clock.pending === 3);
  const { answer } = gateway.server;
  gateway.server.answer = null;
  clock.advance(2_000);
  const poll = await gateway.server.next();
  assert.ok(poll.path.endsWith("/events"));
  const { response } = gateway.streams[1];
  const ended = once(poll.response, "close");
  response.write(connected(4) + event(3) + event(4));
  await ended;
  gateway.server.answer = answer;
  response.write(event(5));
  await events(5);
  assert.deepEqual(ids(shown()), upTo(1, 5));
  assert.deepEqual([feed.transport, feed.state, of("state").length], ["sse", "live", 2]);
});

test("if a stream's response has no readable body, the client polls at once", options, async (t) => {
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

test("after two silent connections in a row, the client polls", options, async (t) => {
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

test("if polls fail too, the client tries streams again, at most maxTries times", options, async (t) => {
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

test("setFilters() restarts the polls, and stop() ends them", options, async (t) => {
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
