import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { OasisStream, resourceProfile } from "../../client/index.js";
import { ids, record, Server } from "./server.js";

const options = { timeout: 60_000 };
const NOW = 1_764_400_000.123;
const TYPES = ["events", "connected", "heartbeat", "gap", "close", "state"];

const frame = (event, data, id) => {
  const text = JSON.stringify({ event_type: event, timestamp: NOW, ...data });
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${text}\n\n`;
};
const connected = (id) => frame("connected", { connection_id: "c-1" }, id);
const update = (id, more) =>
  frame("workload_status_update", { workload_id: "api", status: "Running", ...more }, id);
const close = (reason) => frame("close", { reason, message: `ended: ${reason}` });

function follow(t, url, { filters, since, ...more } = {}) {
  const profile = resourceProfile(filters, { since });
  const stream = record(t, (clocked) => new OasisStream(profile, { url, ...clocked, ...more }), TYPES);
  const events = () => stream.of("events").flatMap(({ events }) => events);
  return { ...stream, events, arrived: (count) => stream.until(() => events().length >= count) };
}

test("a stream asks for its filters, and delivers flat events with their ids", options, async (t) => {
  const server = await Server.start(t);
  const filters = {
    cluster_id: "eu-1",
    workload_id: ["api", "web"],
    event_types: [],
    resource_type: "workload",
  };
  const { feed, of, events, arrived } = follow(t, server.url, { filters, token: "secret" });
  feed.start();
  const { request, response, path, query, cursor } = await server.stream(connected(7));
  assert.equal(path, "/api/v1/events/stream");
  assert.deepEqual(
    [[...query], cursor, request.headers.authorization],
    [
      [
        ["cluster_id", "eu-1"],
        ["workload_id", "api,web"],
        ["resource_type", "workload"],
      ],
      null,
      "Bearer secret",
    ],
    "a list without a value is no filter, and the token is not in the address",
  );
  response.write(update(8, { replicas: 3, extra: "x" }) + frame("build_failed", { error: "no" }, 9));
  await arrived(2);
  assert.deepEqual(of("connected"), [{ type: "connected", connection_id: "c-1", timestamp: NOW }]);
  const at = { timestamp: NOW };
  assert.deepEqual(events(), [
    {
      id: 8,
      event_type: "workload_status_update",
      ...at,
      workload_id: "api",
      status: "Running",
      replicas: 3,
      extra: "x",
    },
    { id: 9, event_type: "build_failed", ...at, error: "no" },
  ]);
  assert.equal(feed.state, "live");
});

test("the events of one network chunk arrive in one batch", options, async (t) => {
  const server = await Server.start(t);
  const { feed, of, arrived } = follow(t, server.url);
  feed.start();
  await server.stream(connected() + update(1) + update(2) + update(3));
  await arrived(3);
  assert.deepEqual(
    of("events").map(({ events }) => ids(events)),
    [[1, 2, 3]],
  );
});

test(
  "a reconnect resumes after the last id, also of a heartbeat, and delivers each event once",
  options,
  async (t) => {
    const server = await Server.start(t);
    const { feed, of, events, arrived, retry, until } = follow(t, server.url);
    feed.start();
    const first = await server.stream(connected() + update(1));
    await arrived(1);
    first.response.write(`id: 5\n\n${frame("heartbeat", {})}`);
    await until(() => of("heartbeat").length === 1);
    assert.deepEqual(of("heartbeat"), [{ type: "heartbeat", timestamp: NOW }]);
    first.response.end();
    await retry();
    const second = await server.stream(connected(5) + update(1) + update(6));
    assert.equal(second.cursor, "5");
    await arrived(2);
    assert.deepEqual(ids(events()), [1, 6]);
  },
);

test("`since` is asked for only while there is no cursor", options, async (t) => {
  const server = await Server.start(t);
  const since = "2026-01-02T03:04:05Z";
  const { feed, arrived, retry } = follow(t, server.url, { since, filters: { project_id: "shop" } });
  feed.start();
  const first = await server.stream(connected());
  assert.deepEqual(
    [...first.query],
    [
      ["project_id", "shop"],
      ["since", since],
    ],
  );
  first.response.end(update(3));
  await arrived(1);
  await retry();
  const second = await server.stream(connected());
  assert.deepEqual([[...second.query], second.cursor], [[["project_id", "shop"]], "3"]);
});

test("a gap is reported, and after a reset lower ids are new again", options, async (t) => {
  const server = await Server.start(t);
  const { feed, of, events, arrived } = follow(t, server.url, { lastEventId: 90 });
  feed.start();
  const { cursor, response } = await server.stream(
    connected() + frame("gap", { from: 90, to: 95, reason: "pruned" }, 95) + update(96),
  );
  assert.equal(cursor, "90");
  await arrived(1);
  response.write(frame("gap", { from: 96, to: 4, reason: "reset" }, 4) + update(5));
  await arrived(2);
  assert.deepEqual(ids(events()), [96, 5]);
  assert.deepEqual(of("gap"), [
    { type: "gap", from: 90, to: 95, reason: "pruned" },
    { type: "gap", from: 96, to: 4, reason: "reset" },
  ]);
  assert.equal(feed.lastEventId, 5);
});

test("an expired token is replaced by a newer one of the function `token`", options, async (t) => {
  const server = await Server.start(t);
  const tokens = ["old", "new"];
  const { feed, retry } = follow(t, server.url, { token: async () => tokens.shift() ?? "new" });
  feed.start();
  const first = await server.stream(connected(3) + close("token_expired"));
  assert.equal(first.request.headers.authorization, "Bearer old");
  await retry();
  const second = await server.stream(connected(3));
  assert.deepEqual([second.request.headers.authorization, second.cursor], ["Bearer new", "3"]);
});

test(
  "an expired or refused token without a newer one, a claim that forbids the filter, and a bad filter end it",
  options,
  async (t) => {
    for (const [status, code, reason] of [
      [200, "token_expired", "token_expired"],
      [200, "revoked", "revoked"],
      [401, "bad_token", "unauthorized"],
      [403, "forbidden", "forbidden"],
      [400, "bad_parameter", "bad_request"],
      [404, "not_found", "not_found"],
    ]) {
      const server = await Server.start(t);
      const { feed, state, clock } = follow(t, server.url, { token: "old" });
      feed.start();
      if (status === 200) await server.stream(connected() + close(code));
      else await server.refuse(status, {}, JSON.stringify({ error: { code, message: "no" } }));
      await state("offline");
      assert.deepEqual([feed.reason, feed.error.code, clock.pending], [reason, code, 0]);
      assert.equal(server.count, 1);
    }
  },
);

test("a proxy that holds the stream back does not lead to polls", options, async (t) => {
  const server = await Server.start(t);
  const { feed, clock, until } = follow(t, server.url, { maxTries: 2 });
  feed.start();
  await server.stream();
  await until(() => clock.asked.has(10_000));
  clock.advance(10_000);
  await until(() => feed.retryAt !== null);
  assert.deepEqual([feed.state, feed.transport], ["reconnecting", "sse"]);
});

test("the waits can be chosen", options, async (t) => {
  const server = await Server.start(t);
  const { feed, clock, retry, state, until } = follow(t, server.url, {
    initialRetryDelay: 200,
    maxRetryDelay: 600,
    maxTries: 4,
  });
  feed.start();
  const waits = [];
  for (let tries = 1; tries <= 4; tries++) {
    await server.refuse(500);
    if (tries === 4) break;
    await until(() => feed.retryAt !== null);
    waits.push(feed.retryAt - clock.now());
    await retry();
  }
  await state("offline");
  assert.deepEqual([waits, feed.reason], [[200, 400, 400], "gave_up"]);
});

test("the README's example prints an event", options, async (t) => {
  const server = await Server.start(t);
  const readme = await readFile(new URL("../../client/README.md", import.meta.url), "utf8");
  const example = /```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const program = example
    .replace("./client/index.js", new URL("../../client/index.js", import.meta.url))
    .replaceAll(/https:\/\/(gateway|shop)\.example/g, server.url);
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program]);
  t.after(() => child.kill());
  await server.refuse(200, {}, "secret");
  const { request, query } = await server.stream(connected() + update(1));
  assert.equal(request.headers.authorization, "Bearer secret");
  assert.deepEqual(Object.fromEntries(query), { project_id: "shop", resource_type: "workload" });
  const [printed] = await once(child.stdout, "data");
  assert.match(String(printed), /^2025-11-29T\S+ workload_status_update api Running\n$/);
});
