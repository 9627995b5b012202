// Tests the client with a real gateway. Uses three ports, starting at OASIS_PORT (by default 19080).
//
//   OASIS_BIN=target/debug/oasis node --test tests/client/gateway.test.js

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { listAgents, OasisFeed, queryEvents } from "../../client/index.js";
import { ids } from "./server.js";

const { OASIS_BIN, OASIS_PORT = "19080" } = process.env;
const url = `http://127.0.0.1:${OASIS_PORT}`;

async function up(data) {
  const env = { ...process.env };
  delete env.DATABASE_URL;
  const stack = spawn(resolve(OASIS_BIN), ["up", "--port", OASIS_PORT, "--data", data], {
    env,
    stdio: "ignore",
  });
  for (;;) {
    assert.equal(stack.exitCode, null, "the stack ended before it was ready");
    const ready = await fetch(`${url}/ready`).catch(() => null);
    if (ready?.ok) return stack;
    await delay(100);
  }
}

async function down(stack) {
  if (stack.exitCode !== null || stack.signalCode !== null) return;
  stack.kill("SIGINT");
  await once(stack, "exit");
}

const tasks = (count, status = "info") =>
  Array.from({ length: count }, () => ({
    source: "oasis.events",
    kind: "task.init",
    status,
    vtid: "DEV-CICDL-0031",
  }));

async function send(events) {
  const response = await fetch(`${url}/events/ingest`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(events),
  });
  assert.equal(response.status, 201);
  return (await response.json()).ids;
}

/** Resolves when the condition is true. Checks the condition after each event that the feed dispatches. */
const until = (feed, condition) =>
  new Promise((done) => {
    const check = () => {
      if (!condition()) return;
      for (const type of ["events", "state", "heartbeat"]) feed.removeEventListener(type, check);
      done();
    };
    for (const type of ["events", "state", "heartbeat"]) feed.addEventListener(type, check);
    check();
  });

test("the client neither loses nor repeats events, even across a restart and while it polls", {
  skip: !OASIS_BIN && "OASIS_BIN is not set",
  timeout: 180_000,
}, async (t) => {
  const data = await mkdtemp(join(tmpdir(), "oasis-client-"));
  await chmod(data, 0o755);
  let stack = await up(data);
  const feeds = [];
  const follow = (options) => {
    const feed = new OasisFeed({ url, maxTries: Number.POSITIVE_INFINITY, ...options });
    const shown = [];
    feed.addEventListener("events", ({ detail }) =>
      shown.push(...detail.events.filter((event) => !event.simulated)),
    );
    feeds.push(feed);
    feed.start();
    return { feed, shown };
  };
  t.after(async () => {
    for (const feed of feeds) feed.stop();
    await down(stack);
    await rm(data, { recursive: true, force: true });
  });

  const { feed, shown } = follow();
  await until(feed, () => feed.state === "mock" && feed.events.length > 0);
  assert.ok(feed.events.every((event) => event.simulated));
  const sent = await send(tasks(30));
  await until(feed, () => shown.length === 30);
  assert.equal(feed.state, "live");
  assert.deepEqual(ids(shown), sent);
  assert.deepEqual(ids(feed.events), sent);
  assert.ok(feed.delay !== null && feed.delay < 5_000);

  const failures = follow({ filters: { status: "failure" } });
  await until(failures.feed, () => failures.feed.lastEventId === sent.at(-1));
  assert.deepEqual(failures.shown, []);
  failures.feed.setFilters({ status: ["info"] });
  await until(failures.feed, () => failures.shown.length === 20);
  assert.deepEqual(ids(failures.shown), sent.slice(-20));

  const held = follow({
    lastEventId: sent[9],
    fetch: async (target, init) =>
      String(target).includes("/feed")
        ? { ok: true, status: 200, headers: new Headers({ "content-type": "text/event-stream" }), body: null }
        : fetch(target, init),
  });
  await until(held.feed, () => held.shown.length === 20);
  assert.deepEqual([held.feed.transport, ids(held.shown)], ["poll", sent.slice(10)]);

  await down(stack);
  await until(feed, () => feed.state === "reconnecting");
  stack = await up(data);
  for (let round = 0; round < 3; round += 1)
    sent.push(...(await send(tasks(700, round === 1 ? "failure" : "info"))));
  for (const followed of [feed, held.feed]) followed.retry();
  await until(feed, () => shown.length === sent.length);
  await until(held.feed, () => held.shown.length === sent.length - 10);
  assert.deepEqual(ids(shown), sent);
  assert.deepEqual(ids(held.shown), sent.slice(10));

  const first = await queryEvents({ url, limit: 1000, filters: { status: "failure" } });
  assert.deepEqual([first.events.length, first.next], [700, null]);
  const page = await queryEvents({ url, limit: 500 });
  const rest = await queryEvents({ url, limit: 500, before: page.next });
  assert.deepEqual(ids([...page.events, ...rest.events]), [...sent].reverse().slice(0, 1000));

  const beat = {
    source: "agent.ping",
    kind: "ping",
    status: "info",
    vtid: "IDLE",
    meta: { agent: "planner" },
  };
  await send([beat]);
  await until(feed, () => shown.at(-1).kind === "ping");
  const agents = await listAgents({ url, filters: { state: "idle" } });
  assert.deepEqual(
    agents.map(({ agent, state }) => [agent, state]),
    [["planner", "idle"]],
  );

  const refused = follow({ filters: { kind: "Not A Kind" } });
  await until(refused.feed, () => refused.feed.state === "offline");
  assert.deepEqual([refused.feed.reason, refused.feed.error.code], ["bad_request", "bad_parameter"]);
});
