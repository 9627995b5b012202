import assert from "node:assert/strict";
import { test } from "node:test";

import { castProfile, mergeCast, queryCast, queryCasts } from "../../client/casts.js";
import { OasisStream } from "../../client/index.js";
import { record, Server } from "./server.js";

const options = { timeout: 60_000 };
const AT = "2026-01-02T03:04:05.000Z";
const FIELDS = {
  status: "queued",
  startedAt: null,
  finishedAt: null,
  duration: null,
  costCents: null,
  artifactUrl: null,
  errorMessage: null,
};

const frame = (event, data, id) => {
  const text = JSON.stringify({ castId: "site-1", timestamp: AT, ...data });
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${text}\n\n`;
};
const status = (data, id) => frame("status", data, id);
const whole = (data, id) => status({ ...FIELDS, ...data }, id);
const close = (reason) => `retry: 2000\n\nevent: close\ndata: {"message":"ended","reason":"${reason}"}\n\n`;
const success = (id) =>
  status({ status: "succeeded", finishedAt: AT }) + frame("complete", { status: "succeeded" }, id);
const failure = (id) => status({ status: "failed" }) + frame("error", { status: "failed" }, id);

/** A cast, as the query API returns it. */
const cast = (id, more) => ({
  id,
  attempt: 1,
  owner: "ann",
  ...FIELDS,
  createdAt: AT,
  updatedAt: AT,
  ...more,
});
const page = (casts) =>
  JSON.stringify({ casts, pagination: { page: 1, limit: 100, total: casts.length, totalPages: 1 } });
const json = { "Content-Type": "application/json" };

function follow(t, url, { id = "site-1", events, ...more } = {}) {
  const make = (clocked) => new OasisStream(castProfile(id, { events }), { url, ...clocked, ...more });
  const stream = record(t, make, ["updates", "gap", "close", "state"]);
  const updates = () => stream.of("updates").flatMap(({ updates }) => updates);
  return {
    ...stream,
    updates,
    names: () => updates().map(({ event, id }) => `${event} ${id}`),
    arrived: (count) => stream.until(() => updates().length >= count),
  };
}

/** A server that answers streams with no byte, and queries with `answer`. */
async function polled(followed, server, answer) {
  server.answer = ({ path, response, query }) => {
    if (path.endsWith("/events")) {
      response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    } else {
      const { code = 200, body } = answer(path, Object.fromEntries(query));
      response.writeHead(code, json).end(body);
    }
    return true;
  };
  const { feed, clock, until } = followed;
  feed.start();
  await until(() => clock.pending === 2);
  clock.advance(10_000);
}

test("the updates of a cast arrive in order, and only ids move the cursor", options, async (t) => {
  const server = await Server.start(t);
  const { feed, of, updates, names, arrived, until } = follow(t, server.url, { token: "secret" });
  feed.start();
  const { path, cursor, request, response } = await server.stream(whole({}, 7));
  assert.deepEqual(
    [path, cursor, request.url.includes("secret"), request.headers.authorization],
    ["/api/casts/site-1/events", null, false, "Bearer secret"],
  );
  await arrived(1);
  assert.deepEqual(updates(), [{ event: "status", id: 7, castId: "site-1", timestamp: AT, ...FIELDS }]);
  assert.deepEqual([feed.state, feed.reason], ["live", "connected"]);
  response.write(
    status({ status: "running", startedAt: AT }, 8) +
      ": heartbeat\n\nid: 9\n\n" +
      frame("progress", { progress: 40, message: "half" }, 10) +
      frame("unknown", {}, 11) +
      status({ status: "succeeded" }),
  );
  await arrived(4);
  assert.deepEqual(names(), ["status 7", "status 8", "progress 10", "status null"]);
  assert.equal(of("updates").length, 2, "the updates of a chunk arrive together");
  assert.equal(feed.lastEventId, 11);
  response.write(frame("complete", { status: "succeeded" }, 12) + close("terminal_state"));
  await until(() => feed.state === "offline");
  assert.deepEqual([names().at(-1), feed.lastEventId, feed.reason], ["complete 12", 12, "done"]);
  assert.deepEqual(of("close"), [{ type: "close", reason: "terminal_state", message: "ended" }]);
});

for (const [name, frames, events] of [
  ["a success", whole({}, 7) + success(8), ["status 7", "status null", "complete 8"]],
  ["a failure", whole({}, 7) + failure(8), ["status 7", "status null", "error 8"]],
  [
    "an end in the past",
    whole({}) + frame("complete", { status: "failed" }, 8),
    ["status null", "complete 8"],
  ],
]) {
  test(`after ${name}, no attempt follows`, options, async (t) => {
    const server = await Server.start(t);
    const { feed, names, state, clock } = follow(t, server.url);
    feed.start();
    const { response } = await server.stream();
    response.end(frames + close("terminal_state"));
    await state("offline");
    assert.deepEqual([feed.reason, feed.error, names()], ["done", null, events]);
    assert.deepEqual([clock.pending, server.count], [0, 1]);
    feed.retry();
    assert.deepEqual([feed.state, server.count], ["offline", 1]);
  });
}

test("a client that lost the connection before `close` finds the end with 204", options, async (t) => {
  const server = await Server.start(t);
  const { feed, names, arrived, retry, state, clock } = follow(t, server.url);
  feed.start();
  const first = await server.stream(whole({}, 7) + failure(8));
  await arrived(3);
  first.response.end();
  await retry();
  assert.equal((await server.refuse(204)).cursor, "8");
  await state("offline");
  assert.deepEqual([feed.reason, clock.pending, server.count], ["done", 0, 2]);
  assert.deepEqual(names(), ["status 7", "status null", "error 8"]);
});

test("a break between `status` and `complete` loses nothing", options, async (t) => {
  const server = await Server.start(t);
  const { feed, names, arrived, retry, state } = follow(t, server.url);
  feed.start();
  const first = await server.stream(whole({}, 7) + status({ status: "succeeded" }));
  await arrived(2);
  first.response.end("id: 8\nevent: complete\ndata: {");
  await retry();
  const second = await server.stream(success(8) + close("terminal_state"));
  assert.equal(second.cursor, "7");
  await state("offline");
  assert.deepEqual(names(), ["status 7", "status null", "status null", "complete 8"]);
});

test("stop() in a listener loses no update", options, async (t) => {
  const server = await Server.start(t);
  const { feed, names, arrived, until } = follow(t, server.url);
  feed.addEventListener("gap", () => feed.stop(), { once: true });
  feed.start();
  await server.stream(
    whole({}, 7) + frame("gap", { from: 7, to: 8, reason: "pruned" }) + status({ status: "running" }, 9),
  );
  await until(() => feed.state === "offline");
  assert.deepEqual([names(), feed.lastEventId], [["status 7"], 7]);
  feed.start();
  assert.equal((await server.stream(status({ status: "running" }, 9))).cursor, "7");
  await arrived(2);
  assert.deepEqual(names(), ["status 7", "status 9"]);
});

test("after `timeout` and `shutdown`, the client reconnects and resumes", options, async (t) => {
  const server = await Server.start(t);
  const { feed, arrived, until, retry, clock, names } = follow(t, server.url);
  feed.start();
  await server.stream(whole({}, 7) + frame("timeout", { message: "again" }) + close("timeout"));
  await arrived(1);
  await until(() => feed.retryAt !== null);
  assert.deepEqual([feed.reason, feed.retryAt - clock.now()], ["timeout", 2_000]);
  await retry();
  assert.equal((await server.stream(whole({}, 7) + close("shutdown"))).cursor, "7");
  await until(() => feed.retryAt !== null);
  assert.deepEqual([feed.reason, names()], ["shutdown", ["status 7", "status 7"]]);
});

test(
  "a server that breaks each stream after the first `status` does not reset the tries",
  options,
  async (t) => {
    const server = await Server.start(t);
    const { feed, state, until, retry } = follow(t, server.url, { maxTries: 3 });
    feed.start();
    for (let tries = 0; tries < 4; tries++) {
      const { response } = await server.stream();
      response.end(whole({}, 7));
      if (tries === 3) break;
      await until(() => feed.retryAt !== null);
      await retry();
    }
    await state("offline");
    assert.deepEqual([feed.reason, server.count], ["gave_up", 4], "the first connection had news");
  },
);

test("refusals end the stream, and limits are waited for", options, async (t) => {
  for (const [code, reason] of [
    [401, "unauthorized"],
    [403, "forbidden"],
    [404, "not_found"],
  ]) {
    const server = await Server.start(t);
    const { feed, state, clock } = follow(t, server.url);
    feed.start();
    await server.refuse(code, {}, JSON.stringify({ error: { code: "NO", message: "no" } }));
    await state("offline");
    assert.deepEqual([feed.reason, feed.error.code, clock.pending], [reason, "NO", 0]);
  }
  const server = await Server.start(t);
  const { feed, until, clock, retry } = follow(t, server.url);
  feed.start();
  await server.refuse(429, { "Retry-After": "17" });
  await until(() => feed.retryAt !== null);
  assert.deepEqual([feed.reason, feed.retryAt - clock.now()], ["busy", 17_000]);
  await retry();
  await server.stream(whole({}, 7) + close("too_many_connections"));
  await until(() => feed.retryAt !== null);
  assert.deepEqual([feed.reason, feed.error.code], ["busy", "too_many_connections"]);
});

test("gaps are reported, and after a reset lower ids are new again", options, async (t) => {
  const server = await Server.start(t);
  const { feed, of, names, arrived } = follow(t, server.url, { lastEventId: 90 });
  feed.start();
  const { response, cursor } = await server.stream(
    frame("gap", { from: 90, to: 95, reason: "pruned" }) + whole({}, 95),
  );
  assert.equal(cursor, "90");
  await arrived(1);
  response.write(frame("gap", { from: 95, to: 4, reason: "reset" }) + whole({}, 4));
  await arrived(2);
  assert.deepEqual([names(), feed.lastEventId], [["status 95", "status 4"], 4]);
  assert.deepEqual(
    of("gap").map(({ from, to, reason }) => [from, to, reason]),
    [
      [90, 95, "pruned"],
      [95, 4, "reset"],
    ],
  );
});

test("the stream of all casts goes on after an end, and may begin without an event", options, async (t) => {
  const server = await Server.start(t);
  const { feed, state, of, updates, arrived } = follow(t, server.url, { id: null });
  feed.start();
  const { path, response } = await server.stream("id: 3\n\n");
  assert.equal(path, "/api/casts/events");
  await state("live");
  assert.equal(feed.lastEventId, 3);
  response.write(
    frame("gap", { from: 0, to: 3, reason: "too_many" }) +
      success(4) +
      whole({ castId: "site-2" }, 5) +
      frame("complete", { castId: "site-2", status: "failed" }, 6),
  );
  await arrived(4);
  assert.deepEqual(
    updates().map(({ castId, event }) => [castId, event]),
    [
      ["site-1", "status"],
      ["site-1", "complete"],
      ["site-2", "status"],
      ["site-2", "complete"],
    ],
  );
  assert.deepEqual([feed.state, of("gap")[0].reason], ["live", "too_many"]);
});

test(
  "only the wanted events are asked for, and an id that no cast can have is refused",
  options,
  async (t) => {
    const server = await Server.start(t);
    const { feed } = follow(t, server.url, { events: ["complete", "error"] });
    feed.start();
    const { query } = await server.next();
    assert.deepEqual([...query], [["events", "complete,error"]]);
    for (const id of ["", "a/b", "..", "events", "x".repeat(129)])
      assert.throws(() => castProfile(id), /the id of a cast/);
  },
);

test(
  "if a proxy holds the stream back, the client polls every 5 s until the cast ends",
  options,
  async (t) => {
    const server = await Server.start(t);
    const followed = follow(t, server.url);
    const { feed, clock, names, updates, arrived, until, state } = followed;
    let current = cast("site-1");
    let polls = 0;
    await polled(followed, server, () => {
      polls += 1;
      return { body: JSON.stringify(current) };
    });
    await arrived(1);
    assert.deepEqual([feed.state, feed.transport], ["live", "poll"]);
    assert.deepEqual(updates(), [{ event: "status", id: null, castId: "site-1", timestamp: AT, ...FIELDS }]);
    await until(() => clock.asked.get(5_000) === 1);
    clock.advance(5_000);
    await until(() => clock.asked.get(5_000) === 2);
    assert.deepEqual([polls, names()], [2, ["status null"]], "an unchanged cast is no update");
    current = cast("site-1", { status: "failed", errorMessage: "no", updatedAt: `${AT}1` });
    clock.advance(5_000);
    await state("offline");
    assert.deepEqual([feed.reason, polls, clock.pending], ["done", 3, 0]);
    assert.deepEqual(names(), ["status null", "status null", "complete null"]);
    assert.equal(updates().at(-1).errorMessage, "no");
  },
);

test("polls of all casts report only ends that happen meanwhile, and go on", options, async (t) => {
  const server = await Server.start(t);
  const followed = follow(t, server.url, { id: null });
  const { feed, clock, updates, until } = followed;
  let casts = [cast("new", { status: "running" }), cast("old", { status: "succeeded" })];
  let asked = null;
  await polled(followed, server, (path, query) => {
    asked = [path, query];
    return { body: page(casts) };
  });
  await until(() => clock.asked.get(5_000) === 1);
  assert.deepEqual(asked, ["/api/casts", { limit: "100" }]);
  casts = [cast("new", { status: "succeeded", updatedAt: `${AT}1` }), casts[1]];
  clock.advance(5_000);
  await until(() => clock.asked.get(5_000) === 2);
  assert.deepEqual(
    updates().map(({ castId, event }) => `${castId} ${event}`),
    ["new status", "old status", "new status", "new complete"],
  );
  assert.equal(feed.state, "live");
});

test("mergeCast() keeps what an update does not have", () => {
  const update = (event, more) => ({ event, id: 1, castId: "site-1", timestamp: AT, ...more });
  let state = mergeCast(null, update("status", FIELDS));
  assert.deepEqual(state, { id: "site-1", updatedAt: AT, ...FIELDS, progress: null, message: null });
  const before = state;
  state = mergeCast(state, update("status", { status: "running", startedAt: AT, timestamp: "later" }));
  state = mergeCast(state, update("progress", { progress: 40, message: "half" }));
  state = mergeCast(state, update("status", { artifactUrl: "https://example.com/a" }));
  assert.deepEqual(
    [state.status, state.startedAt, state.progress, state.message, state.artifactUrl],
    ["running", AT, 40, "half", "https://example.com/a"],
  );
  assert.equal(before.status, "queued", "the state before is not changed");
  state = mergeCast(state, update("status", { ...FIELDS, startedAt: AT }));
  assert.equal(state.progress, 40, "a repeated status keeps the progress");
  state = mergeCast(state, update("status", { status: "running", startedAt: "later" }));
  assert.deepEqual([state.progress, state.message], [null, null], "a new attempt has no progress");
  state = mergeCast(null, update("progress", { progress: 7 }));
  state = mergeCast(state, update("status", { status: "running", startedAt: AT }));
  assert.equal(state.progress, 7, "progress can arrive before the start");
  state = mergeCast(null, update("status", { status: "failed" }));
  state = mergeCast(state, update("progress", { progress: 7 }));
  state = mergeCast(state, update("status", { status: "queued" }));
  assert.equal(state.progress, null);
});

test("queries read a cast and pages of casts, and only http(s) addresses are links", options, async (t) => {
  const server = await Server.start(t);
  const one = queryCast("site-1", { url: server.url, token: "secret" });
  const asked = await server.refuse(
    200,
    json,
    JSON.stringify(cast("site-1", { artifactUrl: "javascript:1" })),
  );
  assert.deepEqual([asked.path, asked.request.headers.authorization], ["/api/casts/site-1", "Bearer secret"]);
  assert.deepEqual(await one, cast("site-1"));
  const list = queryCasts({ url: server.url, page: 2, limit: 5 });
  const { query } = await server.refuse(200, json, page([cast("site-2")]));
  assert.deepEqual(Object.fromEntries(query), { page: "2", limit: "5" });
  const { casts, pagination } = await list;
  assert.deepEqual([casts, pagination.total], [[cast("site-2")], 1]);
  const wrong = queryCasts({ url: server.url });
  await server.refuse(200, json, "[]");
  await assert.rejects(wrong, { code: "bad_answer" });
  await assert.rejects(queryCast("..", { url: server.url }), /the id of a cast/);
});
