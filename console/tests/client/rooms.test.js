import assert from "node:assert/strict";
import { test } from "node:test";

import { getRoom, listRooms, OasisStream, queryLines, roomProfile } from "../../client/index.js";
import { ids, record, Server, STREAM } from "./server.js";

const options = { timeout: 60_000 };
const AT = "2026-01-02T03:04:05.000Z";
const TYPES = ["lines", "connected", "heartbeat", "gap", "close", "state"];

const frame = (event, data, id) =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
const connected = (id) => frame("connected", { roomId: "build-1", timestamp: AT }, id);
const line = (id, more = {}) => ({
  timestamp: AT,
  agentType: "deploy",
  level: "info",
  message: `line ${id}`,
  ...more,
});
const log = (id, more) => frame("log", line(id, more), id);
const close = (reason) => frame("close", { reason, message: `ended: ${reason}` });

/** Follows the room `build-1`. */
function follow(t, url, { tail, since, ...more } = {}) {
  const profile = roomProfile("build-1", { tail, since });
  const room = record(t, (clocked) => new OasisStream(profile, { url, ...clocked, ...more }), TYPES);
  const lines = () => room.of("lines").flatMap(({ lines }) => lines);
  return { ...room, lines, arrived: (count) => room.until(() => lines().length >= count) };
}

test(
  "a room's stream delivers its last lines, then new lines, each with all of its fields",
  options,
  async (t) => {
    const server = await Server.start(t);
    const { feed, of, lines, arrived, until } = follow(t, server.url, { token: "secret" });
    feed.start();
    const { request, response, path, query, cursor } = await server.stream(connected(7) + log(5) + log(6));
    assert.equal(path, "/api/v1/rooms/build-1/logs");
    assert.deepEqual(
      [[...query], cursor, request.headers.authorization],
      [[["tail", "100"]], null, "Bearer secret"],
    );
    await arrived(2);
    assert.equal(feed.state, "live");
    assert.deepEqual(of("connected"), [{ type: "connected", roomId: "build-1", timestamp: AT }]);
    const metadata = { step: 1 };
    response.write(log(9, { level: "error", metadata, vtid: "DEV-CICDL-0031" }) + log(10, { level: "loud" }));
    response.write(frame("heartbeat", { timestamp: AT }, 12));
    await until(() => of("heartbeat").length === 1);
    assert.deepEqual(lines().at(-2), {
      id: 9,
      ...line(9),
      level: "error",
      metadata,
      vtid: "DEV-CICDL-0031",
    });
    assert.deepEqual(lines().at(-1), { id: 10, ...line(10), level: "info", metadata: null, vtid: null });
    assert.equal(feed.lastEventId, 12, "the cursor moves with each frame that has an id");
  },
);

test("a reconnect resumes after the last id, and delivers each line once", options, async (t) => {
  const server = await Server.start(t);
  const { feed, lines, arrived, retry, until } = follow(t, server.url, { tail: 5 });
  feed.start();
  const first = await server.stream(connected() + log(1) + log(2));
  await arrived(2);
  first.response.end();
  await retry();
  const second = await server.stream(connected() + log(2) + log(3));
  assert.deepEqual([second.cursor, [...second.query]], ["2", []], "a resumed stream asks for no tail");
  await arrived(3);
  assert.deepEqual(ids(lines()), [1, 2, 3]);
  second.response.write(frame("gap", { from: 3, to: 0, reason: "reset" }, 0) + log(1) + log(2));
  await until(() => lines().length === 5);
  assert.deepEqual(ids(lines()), [1, 2, 3, 1, 2], "after a reset, the ids begin again");
  second.response.write(frame("gap", { from: 2, to: 40, reason: "pruned" }, 40) + log(41));
  await arrived(6);
  assert.equal(feed.lastEventId, 41);
});

test("a closed room ends the stream for good, after its last lines", options, async (t) => {
  const server = await Server.start(t);
  const { feed, lines, of, state, clock } = follow(t, server.url);
  feed.start();
  await server.stream(connected() + log(1) + close("closed"));
  await state("offline");
  assert.deepEqual([feed.reason, feed.error, ids(lines())], ["done", null, [1]]);
  assert.deepEqual(of("close"), [{ type: "close", reason: "closed", message: "ended: closed" }]);
  feed.retry();
  assert.equal(clock.pending, 0);
  assert.equal(server.count, 1);
});

test(
  "an expired or revoked token ends the stream and is reported, and no line after it counts",
  options,
  async (t) => {
    for (const [closing, reason] of [
      ["token_expired", "token_expired"],
      ["revoked", "revoked"],
      ["refused", "forbidden"],
    ]) {
      const server = await Server.start(t);
      const { feed, lines, state, clock } = follow(t, server.url, { token: "old" });
      feed.start();
      await server.stream(connected() + log(1) + close(closing) + log(2));
      await state("offline");
      assert.deepEqual(
        [feed.reason, feed.error.code, feed.error.message],
        [reason, reason, `ended: ${closing}`],
      );
      assert.deepEqual([ids(lines()), clock.pending, server.count], [[1], 0, 1]);
    }
  },
);

test(
  "a shutdown or a timeout ends only the connection, and `retry:` decides the wait",
  options,
  async (t) => {
    for (const reason of ["shutdown", "timeout", "something_new"]) {
      const server = await Server.start(t);
      const { feed, arrived, state, retry, clock } = follow(t, server.url);
      feed.start();
      await server.stream(`retry: 250\n\n${connected()}${log(1)}${close(reason)}`);
      await state("reconnecting");
      assert.equal(feed.reason, reason === "something_new" ? "closed" : reason);
      assert.equal(feed.retryAt - clock.now(), 250);
      await retry();
      assert.equal((await server.stream(connected() + log(2))).cursor, "1");
      await arrived(2);
    }
  },
);

test("a room that does not exist, or that belongs to somebody else, ends the stream", options, async (t) => {
  for (const [status, code, reason] of [
    [401, "bad_token", "unauthorized"],
    [403, "auth_not_configured", "forbidden"],
    [404, "not_found", "not_found"],
  ]) {
    const server = await Server.start(t);
    const { feed, state, clock } = follow(t, server.url);
    feed.start();
    await server.refuse(status, {}, JSON.stringify({ error: { code, message: "no", hint: "a hint" } }));
    await state("offline");
    assert.deepEqual(
      [feed.reason, feed.error.code, feed.error.hint, clock.pending],
      [reason, code, "a hint", 0],
    );
  }
});

test("429 and 503 wait at least as long as Retry-After asks", options, async (t) => {
  for (const status of [429, 503]) {
    const server = await Server.start(t);
    const { feed, until, clock } = follow(t, server.url);
    feed.start();
    await server.refuse(status, { "Retry-After": "7" });
    await until(() => feed.retryAt !== null);
    assert.deepEqual([feed.reason, feed.retryAt - clock.now()], ["busy", 7_000]);
  }
});

test("a function gives the token before each attempt, and replaces an expired token", options, async (t) => {
  const server = await Server.start(t);
  let token = "first";
  const { feed, arrived, retry, state } = follow(t, server.url, { token: async () => token });
  feed.start();
  const { request } = await server.stream(connected() + log(1));
  assert.equal(request.headers.authorization, "Bearer first");
  await arrived(1);
  token = "second";
  feed.stop();
  feed.start();
  const second = await server.stream(connected() + log(2) + close("token_expired"));
  assert.equal(second.request.headers.authorization, "Bearer second");
  token = "third";
  await retry();
  const third = await server.stream(connected() + log(3) + close("token_expired"));
  assert.deepEqual([third.request.headers.authorization, third.cursor], ["Bearer third", "2"]);
  // The function returns the expired token again, so the client does not try it again.
  await retry();
  await state("offline");
  assert.deepEqual([feed.reason, server.count], ["token_expired", 3]);
});

test(
  "after 401, a function may give another token, but the client does not repeat the refused one",
  options,
  async (t) => {
    const server = await Server.start(t);
    const { feed, state, retry } = follow(t, server.url, { token: () => "same" });
    feed.start();
    await server.refuse(401, {}, JSON.stringify({ error: { code: "bad_token", message: "no" } }));
    await retry();
    await state("offline");
    assert.deepEqual([feed.reason, feed.error.code, server.count], ["unauthorized", "bad_token", 1]);
    feed.retry();
    await server.stream(connected());
    await state("live");
  },
);

test("if the function of the token fails, the client tries again", options, async (t) => {
  const server = await Server.start(t);
  let fails = true;
  const token = () => {
    if (fails) throw new Error("no session");
    return null;
  };
  const { feed, state, retry } = follow(t, server.url, { token });
  feed.start();
  await state("reconnecting");
  assert.deepEqual([feed.reason, feed.error.message], ["token", "no session"]);
  fails = false;
  await retry();
  const { request } = await server.stream(connected());
  assert.equal(request.headers.authorization, undefined);
  await state("live");
});

test("behind a proxy that holds streams back, the client polls the pages of lines", options, async (t) => {
  const server = await Server.start(t);
  const stored = [1, 2, 3].map((id) => ({ id, ...line(id) }));
  const asked = [];
  server.answer = ({ request, response, query }) => {
    if (request.headers.accept === "text/event-stream") {
      response.writeHead(200, STREAM).flushHeaders();
      return true;
    }
    asked.push(Object.fromEntries(query));
    const after = query.get("after");
    const found = after === null ? stored.slice(-2) : stored.filter(({ id }) => id > Number(after));
    const page = found.slice(0, 1_000);
    const more = page.length < found.length;
    const body = { roomId: "build-1", lines: page, cursor: page.at(-1)?.id ?? null, more };
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    return true;
  };
  const { feed, clock, until, of, lines, arrived } = follow(t, server.url, { tail: 2 });
  feed.start();
  await until(() => clock.pending === 2);
  clock.advance(10_000);
  await arrived(2);
  assert.deepEqual(
    [ids(lines()), feed.transport, feed.state, asked],
    [[2, 3], "poll", "live", [{ limit: "2" }]],
  );
  const polls = (count) => until(() => clock.asked.get(2_000) === count);
  await polls(1);
  for (let id = 4; id <= 1_500; id++) stored.push({ id, ...line(id) });
  clock.advance(2_000);
  await arrived(1_499);
  assert.deepEqual(
    ids(lines()),
    Array.from({ length: 1_499 }, (_, at) => at + 2),
  );
  assert.deepEqual(asked.slice(1), [
    { after: "3", limit: "1000" },
    { after: "1003", limit: "1000" },
  ]);
  await polls(2);
  for (let id = 1_501; id <= 20_000; id++) stored.push({ id, ...line(id) });
  clock.advance(2_000);
  await until(() => of("gap").length === 1);
  assert.deepEqual(of("gap")[0], { type: "gap", from: 11_500, to: 19_998, reason: "skipped" });
});

test("the id of a room is checked before any request", () => {
  for (const id of ["", ".", "..", "a/b", "a b", "ü", "x".repeat(129), "a?b"])
    assert.throws(() => roomProfile(id), TypeError, id);
  assert.throws(() => new OasisStream(roomProfile("a"), {}), /url is required/);
});

test("frames with wrong fields never break a stream", options, async (t) => {
  const server = await Server.start(t);
  const { feed, lines, arrived } = follow(t, server.url);
  feed.start();
  const hostile = ["event: log\ndata: 7\n\n", "event: log\ndata: {\n\n", "event: log\ndata: {}\n\n"];
  hostile.push('data: {"type":"log"}\n\n', "event: close\n\n", 'event: gap\ndata: {"from":{},"to":[]}\n\n');
  hostile.push(
    frame("log", { timestamp: 1, agentType: {}, level: [], message: null }, 3),
    frame("new", {}, 4),
  );
  await server.stream(connected() + hostile.join("") + log(5));
  await arrived(2);
  assert.deepEqual(lines()[0], {
    id: 3,
    timestamp: "",
    agentType: "",
    level: "info",
    message: "",
    metadata: null,
    vtid: null,
  });
  assert.deepEqual(ids(lines()), [3, 5]);
});

test("the queries read rooms, a room and its lines", options, async (t) => {
  const server = await Server.start(t);
  const room = {
    id: "a",
    title: null,
    owner: "al",
    readers: "owner",
    state: "closed",
    createdAt: AT,
    updatedAt: AT,
  };
  const json = { "Content-Type": "application/json" };
  const url = server.url;
  const list = listRooms({ url, token: "t", vtid: "DEV-X-0001", before: "c/1", limit: 5 });
  const asked = await server.refuse(200, json, JSON.stringify({ rooms: [room, 7, {}], next: "c/2" }));
  assert.deepEqual(
    [asked.path, Object.fromEntries(asked.query)],
    ["/api/v1/rooms", { vtid: "DEV-X-0001", before: "c/1", limit: "5" }],
  );
  const empty = {
    id: "",
    title: null,
    owner: null,
    readers: "signed_in",
    state: "open",
    createdAt: "",
    updatedAt: "",
  };
  assert.deepEqual(await list, { rooms: [room, empty], next: "c/2" });
  const one = getRoom("a", { url });
  assert.equal((await server.refuse(200, json, JSON.stringify(room))).path, "/api/v1/rooms/a");
  assert.deepEqual(await one, room);
  const page = queryLines("a", { url, before: 9, level: ["warn", "error"], q: "x y" });
  const body = { roomId: "a", lines: [{ id: 1, ...line(1) }, { id: "no" }, null], cursor: 1, more: true };
  const query = Object.fromEntries((await server.refuse(200, json, JSON.stringify(body))).query);
  assert.deepEqual(query, { before: "9", level: "warn,error", q: "x y" });
  assert.deepEqual(await page, {
    lines: [{ id: 1, ...line(1), metadata: null, vtid: null }],
    cursor: 1,
    more: true,
  });
  const wrong = queryLines("a", { url });
  await server.refuse(200, json, "[]");
  await assert.rejects(wrong, { code: "bad_answer" });
});
