import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { Server } from "../client/server.js";
import { source, watch } from "./source.js";

const options = { timeout: 60_000 };

const frame = (event, data, id) => {
  const text = JSON.stringify({ event_type: event, timestamp: 1_000, ...data });
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${text}\n\n`;
};
const connected = (timestamp = 1_000) => frame("connected", { connection_id: "c", timestamp });
const update = (id, more) => frame("workload_status_update", { workload_id: "api", ...more }, id);
const close = (reason) => frame("close", { reason, message: `ended: ${reason}` });
const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;

test("ten components share one connection, and the last one to leave closes it", options, async (t) => {
  const server = await Server.start(t);
  const wanted = source(server.url);
  const all = Array.from({ length: 10 }, () => watch(t, wanted));
  const { response } = await server.stream(connected() + update(1));
  await Promise.all(all.map(({ until }) => until(({ connected, rows }) => connected && rows.length === 1)));
  for (const { unmount } of all.slice(1)) unmount();
  response.write(update(2));
  await all[0].until(({ rows }) => rows.length === 2);
  all[0].unmount();
  await once(response, "close");
  assert.equal(server.count, 1);
});

test("a component that unmounts and mounts again keeps its connection and its rows", options, async (t) => {
  const server = await Server.start(t);
  const one = watch(t, source(server.url));
  const { response } = await server.stream(connected() + update(1));
  await one.until(({ rows }) => rows.length === 1);
  one.unmount();
  one.mount();
  response.write(update(2));
  await one.until(({ rows }) => rows.length === 2);
  assert.deepEqual([one.ids(), server.count], [[1, 2], 1]);
});

test("rows arrive per frame, and a component sees at most as many as it wants", options, async (t) => {
  const server = await Server.start(t);
  const wanted = source(server.url);
  const taken = [];
  const few = watch(t, wanted, { max: 3, row: ({ id }) => taken.push(id) });
  const many = watch(t, wanted, { max: 50 });
  const { response } = await server.stream(connected());
  await few.until(({ connected }) => connected);
  const before = few.renders.length;
  response.write(Array.from({ length: 1_000 }, (_, i) => update(i + 1)).join(""));
  await few.until(({ last }) => last?.id === 1_000);
  assert.ok(few.renders.length - before < 50, `${few.renders.length - before} renders`);
  assert.deepEqual(few.ids(), [998, 999, 1_000]);
  assert.equal(many.ids().length, 50);
  assert.deepEqual(
    taken,
    Array.from({ length: 1_000 }, (_, i) => i + 1),
    "a handler gets every row",
  );
});

test("a component that mounts later sees the rows, but none of them as the last one", options, async (t) => {
  const server = await Server.start(t);
  const wanted = source(server.url);
  const first = watch(t, wanted);
  const { response } = await server.stream(connected() + update(1));
  await first.until(({ last }) => last?.id === 1);
  const taken = [];
  const later = watch(t, wanted, { row: ({ id }) => taken.push(id) });
  assert.deepEqual([later.ids(), later.view.snapshot.last, taken], [[1], null, []]);
  response.write(update(2));
  await later.until(({ last }) => last?.id === 2);
  assert.deepEqual(taken, [2]);
});

test("clear() empties the list of one component only", options, async (t) => {
  const server = await Server.start(t);
  const wanted = source(server.url);
  const [one, other] = [watch(t, wanted), watch(t, wanted)];
  const { response } = await server.stream(connected() + update(1));
  await one.until(({ rows }) => rows.length === 1);
  one.view.clear();
  assert.deepEqual([one.ids(), one.view.snapshot.last, other.ids()], [[], null, [1]]);
  response.write(update(2));
  await one.until(({ rows }) => rows.length === 1);
  assert.deepEqual([one.ids(), other.ids()], [[2], [1, 2]]);
});

test("disconnect() and reconnect() close and resume the stream", options, async (t) => {
  const server = await Server.start(t);
  const one = watch(t, source(server.url));
  const first = await server.stream(connected() + update(1));
  await one.until(({ rows }) => rows.length === 1);
  one.view.reconnect();
  await once(first.response, "close");
  const second = await server.stream(connected());
  assert.equal(second.cursor, "1", "it resumes");
  await one.until(({ connected }) => connected);
  one.view.disconnect();
  await once(second.response, "close");
  const { connected: isConnected, connecting, reason } = one.view.snapshot;
  assert.deepEqual([isConnected, connecting, reason, one.ids()], [false, false, "stopped", [1]]);
  one.view.reconnect();
  await server.stream(connected());
  await one.until(({ connected }) => connected);
});

test("a newer token of the same user resumes, and another user starts without rows", options, async (t) => {
  const server = await Server.start(t);
  const stream = "of-users";
  const of = (sub, exp) => source(server.url, { stream, token: token({ sub, exp }) });
  const one = watch(t, of("alice", 1));
  const first = await server.stream(connected() + update(7));
  await one.until(({ rows }) => rows.length === 1);
  one.unmount();
  one.mount(of("alice", 2));
  await once(first.response, "close");
  const second = await server.stream(connected() + update(8));
  assert.equal(second.cursor, "7");
  assert.notEqual(second.request.headers.authorization, first.request.headers.authorization);
  await one.until(({ rows }) => rows.length === 2);
  assert.deepEqual(one.ids(), [7, 8]);
  const bob = watch(t, of("bob", 1));
  assert.equal((await server.stream(connected())).cursor, null);
  await bob.until(({ connected }) => connected);
  assert.deepEqual(bob.ids(), []);
});

test("an expired or refused token is a state, and no further attempt follows", options, async (t) => {
  for (const [status, code] of [
    [200, "token_expired"],
    [401, "bad_token"],
  ]) {
    const server = await Server.start(t);
    const one = watch(t, source(server.url));
    if (status === 200) await server.stream(connected() + close(code));
    else await server.refuse(status, {}, JSON.stringify({ error: { code, message: "no" } }));
    await one.until(({ error }) => error !== null);
    const { connected: isConnected, connecting, error, retryAt, maxReached } = one.view.snapshot;
    assert.deepEqual(
      [isConnected, connecting, error.code, retryAt, maxReached],
      [false, false, code, null, false],
    );
    assert.equal(server.count, 1);
  }
});

test("a function `token` that returns none ends the connection until reconnect()", options, async (t) => {
  const server = await Server.start(t);
  let current = null;
  const one = watch(t, source(server.url, { asks: true }), { token: async () => current });
  await one.until(({ error }) => error !== null);
  assert.deepEqual(
    [one.view.snapshot.error.code, one.view.snapshot.connecting, server.count],
    ["token_missing", false, 0],
  );
  current = "secret";
  one.view.reconnect();
  assert.equal((await server.stream(connected())).request.headers.authorization, "Bearer secret");
  await one.until(({ connected, error }) => connected && error === null);
});

test("the client gives up after `maxTries`, and says so", options, async (t) => {
  const server = await Server.start(t);
  const one = watch(t, source(server.url, { maxTries: 3 }));
  for (let tries = 0; tries < 3; tries++) await server.refuse(500);
  await one.until(({ maxReached }) => maxReached);
  const { error, connecting, retryCount } = one.view.snapshot;
  assert.deepEqual(
    [error.message, error.status, connecting, retryCount],
    ["Max reconnection attempts reached", 500, false, 3],
  );
  const counts = one.renders.filter(({ retryAt }) => retryAt !== null).map(({ retryCount }) => retryCount);
  assert.deepEqual([...new Set(counts)], [1, 2]);
  one.view.reconnect();
  await server.stream(connected());
  await one.until((now) => now.connected && now.error === null && !now.maxReached);
});

test("an option that is not valid is a state, not an exception", options, async (t) => {
  const one = watch(t, source("http://[", {}));
  await one.until(({ error }) => error !== null);
  assert.deepEqual([one.view.snapshot.error.code, one.view.snapshot.connecting], ["bad_option", false]);
});

test("with `since`, the stored events are in the list, but are no news", options, async (t) => {
  const server = await Server.start(t);
  const news = [];
  const one = watch(t, source(server.url, { since: "2026-01-01T00:00:00Z" }), {
    row: ({ id }) => news.push(id),
  });
  const { response } = await server.stream(
    connected(500) + update(1, { timestamp: 400 }) + update(2, { timestamp: 499.9 }),
  );
  await one.until(({ rows }) => rows.length === 2);
  response.write(update(3, { timestamp: 501 }));
  await one.until(({ rows }) => rows.length === 3);
  assert.deepEqual([news, one.view.snapshot.last.id], [[3], 3]);
});

test(
  "a reload with a cache resumes without a gap, also for another token of the user",
  options,
  async (t) => {
    const server = await Server.start(t);
    const saved = new Map();
    const cache = {
      name: "test",
      max: 2,
      load: async (key) => structuredClone(saved.get(key) ?? null),
      save: async (key, value) => {
        saved.set(key, structuredClone(value));
      },
    };
    const of = (sub, exp) => source(server.url, { stream: "kept", token: token({ sub, exp }), cache });
    const before = watch(t, of("alice", 1));
    const first = await server.stream(connected() + update(1) + update(2) + update(3));
    await before.until(({ rows }) => rows.length === 3);
    before.view.disconnect();
    await once(first.response, "close");
    assert.equal(saved.size, 1);
    assert.ok(![...saved.keys()][0].includes("e30."), "the key holds no token");

    const news = [];
    const after = watch(t, of("alice", 2), { row: ({ id }) => news.push(id) });
    const second = await server.stream(connected(2_000) + update(4) + update(5, { timestamp: 2_001 }));
    assert.equal(second.cursor, "3");
    await after.until(({ rows }) => rows.length === 4);
    assert.deepEqual([after.ids(), news], [[2, 3, 4, 5], [5]]);
    after.view.disconnect();

    const bob = watch(t, of("bob", 1));
    assert.equal((await server.stream(connected())).cursor, null, "another user has a cache of their own");
    assert.deepEqual(bob.ids(), []);
  },
);

test("after a reset, the rows from before are gone", options, async (t) => {
  const server = await Server.start(t);
  const one = watch(t, source(server.url));
  const { response } = await server.stream(connected() + update(90));
  await one.until(({ rows }) => rows.length === 1);
  response.write(frame("gap", { from: 90, to: 4, reason: "reset" }, 4) + update(5));
  await one.until(({ last }) => last?.id === 5);
  assert.deepEqual([one.ids(), one.view.snapshot.gap.reason], [[5], "reset"]);
});

test("a handler that throws does not end the stream", options, async (t) => {
  const server = await Server.start(t);
  const caught = [];
  globalThis.reportError = (error) => caught.push(error.message);
  const one = watch(t, source(server.url), {
    row: () => {
      throw new Error("a fault of the page");
    },
  });
  const { response } = await server.stream(connected() + update(1));
  await one.until(({ rows }) => rows.length === 1);
  assert.deepEqual(caught, ["a fault of the page"]);
  one.view.handlers = {};
  response.write(update(2));
  await one.until(({ rows }) => rows.length === 2);
});

test("a component that subscribes again gets only the rows that it missed", options, async (t) => {
  const server = await Server.start(t);
  const wanted = source(server.url);
  const other = watch(t, wanted, { max: 1_000 });
  const taken = [];
  const rows = (some, isLive) => taken.push([some.map(({ id }) => id), isLive]);
  const { response } = await server.stream(connected() + update(1) + update(2) + update(3));
  await other.until(({ rows }) => rows.length === 3);
  const one = watch(t, wanted, { max: 2, rows });
  one.unmount();
  one.mount();
  response.write(update(4));
  await one.until(({ last }) => last?.id === 4);
  one.unmount();
  response.write(update(5));
  await other.until(({ rows }) => rows.length === 5);
  one.mount();
  assert.deepEqual(taken, [
    [[2, 3], false],
    [[4], true],
    [[5], true],
  ]);
});
