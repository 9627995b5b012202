// Tests when a silent or failed agent counts as a failure, and when another agent replaces it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readAgents } from "../../app/agents.js";
import { failureNames } from "../../app/groups.js";
import { event, NONE, NOW, of } from "./events.js";

/** @typedef {import("../../app/event.js").AnyEvent["status"]} Status */

/** @param {Status} status @param {number} second @param {string} [kind] @param {string} [module] */
const ping = (status, second, kind = "ping", module = "PLANNER") =>
  event({ source: "agent.ping", kind, module, status, second, link: null });
const lost = () => ping("failure", 150, "ping.lost");

/** @param {import("../../app/runs.js").Runs} runs */
const failed = (runs) => runs.failures(NOW, NONE).map(({ run }) => `${run.name} ${run.event.kind}`);

test("a lost agent and an agent that failed are failures, and never count as running", () => {
  const runs = of(ping("in_progress", 0), lost(), ping("failure", 3, "ping", "TESTER"));
  assert.deepEqual(failed(runs).sort(), ["planner ping.lost", "tester ping"]);
  assert.deepEqual(runs.active(NOW), []);
  const row = runs.failures(NOW, NONE)[0];
  assert.ok(row);
  assert.equal(runs.failures(NOW, new Set(failureNames(row))).length, 1);
});

test("a ping with a later id ends the failure of the agent, even if the ping's time is earlier", () => {
  for (const next of [
    ping("info", 200, "ping.back"),
    ping("in_progress", 0),
    ping("info", 0),
    ping("success", 0),
  ])
    assert.deepEqual(failed(of(lost(), next)), [], "the clocks of agents differ");
  assert.deepEqual(failed(of(lost(), ping("in_progress", 160, "ping", "OTHER"))), ["planner ping.lost"]);
  assert.deepEqual(failed(of(ping("in_progress", 900), lost())), ["planner ping.lost"]);
});

test("each loss of an agent is reported as a failure", () => {
  const runs = of();
  assert.ok(runs.take(lost()));
  runs.take(ping("info", 200, "ping.back"));
  assert.ok(runs.take(lost()));
});

test("pings of healthy agents are not kept", () => {
  const runs = of();
  for (let i = 0; i < 100; i++) runs.take(ping("in_progress", i, "ping", `A${i}`));
  assert.equal(runs.byKey.size, 0);
});

const AT = "2026-01-02T03:00:00.000Z";
/**
 * @param {string} state
 * @param {string} started
 * @param {Partial<import("../../client/types.js").Agent>} [more]
 */
const agent = (state, started, more = {}) =>
  /** @type {import("../../client/types.js").Agent} */ ({
    agent: "planner",
    instance: started,
    state,
    status: "in_progress",
    vtid: "IDLE",
    since: started,
    started,
    last_seen: AT,
    interval: 60,
    last_id: 1,
    ...more,
  });

test("a silent agent counts as replaced once another agent with its name has started", () => {
  const states = (/** @type {import("../../client/types.js").Agent[]} */ ...rows) =>
    readAgents(rows).map(({ state }) => state);
  const old = "2026-01-02T01:00:00.000Z";
  const since = "2026-01-02T03:05:00.000Z";
  assert.deepEqual(states(agent("lost", old), agent("working", since)), ["working", "replaced"]);
  assert.deepEqual(
    states(agent("lost", old), agent("working", "2026-01-02T01:00:02.000Z")),
    ["lost", "working"],
    "both agents ran at the same time",
  );
  assert.deepEqual(states(agent("lost", old), agent("stopped", since)), ["stopped", "replaced"]);
  assert.deepEqual(
    states(agent("lost", old), agent("lost", since)),
    ["lost", "replaced"],
    "only the older agent is replaced",
  );
  assert.deepEqual(
    states(agent("lost", "2026-01-02T02:59:50.000Z")),
    ["lost"],
    "an agent that died soon after its start does not replace itself",
  );
  assert.deepEqual(states(agent("lost", old), agent("idle", since, { agent: "tester" })), ["lost", "idle"]);
  assert.deepEqual(
    states(agent("late", old), agent("idle", since, { started: null })),
    ["late", "idle"],
    "the start of the other agent is unknown",
  );
});

test("an agent keeps the id of its room only if a room can have this id", () => {
  for (const [room, kept] of [
    ["build-1", "build-1"],
    ["a/b", null],
    ["", null],
    [undefined, null],
    [null, null],
  ])
    assert.equal(readAgents([agent("idle", AT, { room })])[0]?.room, kept, String(room));
});
