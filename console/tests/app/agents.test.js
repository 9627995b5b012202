// Agents that went silent: a failure until one of their name is heard again.

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

test("a lost agent and one that ended badly are failures, and never run", () => {
  const runs = of(ping("in_progress", 0), lost(), ping("failure", 3, "ping", "TESTER"));
  assert.deepEqual(failed(runs).sort(), ["planner ping.lost", "tester ping"]);
  assert.deepEqual(runs.active(NOW), []);
  const row = runs.failures(NOW, NONE)[0];
  assert.ok(row);
  assert.equal(runs.failures(NOW, new Set(failureNames(row))).length, 1);
});

test("whatever is heard of the name next ends it, in the order in which it was stored", () => {
  for (const next of [
    ping("info", 200, "ping.back"),
    ping("in_progress", 0),
    ping("info", 0),
    ping("success", 0),
  ])
    assert.deepEqual(failed(of(lost(), next)), [], "clocks of agents differ");
  assert.deepEqual(failed(of(lost(), ping("in_progress", 160, "ping", "OTHER"))), ["planner ping.lost"]);
  assert.deepEqual(failed(of(ping("in_progress", 900), lost())), ["planner ping.lost"]);
});

test("each loss is told once", () => {
  const runs = of();
  assert.ok(runs.take(lost()));
  runs.take(ping("info", 200, "ping.back"));
  assert.ok(runs.take(lost()));
});

test("agents that live need no place", () => {
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

test("a lost agent is replaced by one of its name that was started since; nobody needs to look then", () => {
  const replaced = (/** @type {import("../../client/types.js").Agent[]} */ ...rows) =>
    readAgents(rows).map(({ state }) => state);
  const old = "2026-01-02T01:00:00.000Z";
  const since = "2026-01-02T03:05:00.000Z";
  assert.deepEqual(replaced(agent("lost", old), agent("working", since)), ["working", "replaced"]);
  assert.deepEqual(
    replaced(agent("lost", old), agent("working", "2026-01-02T01:00:02.000Z")),
    ["lost", "working"],
    "they ran beside each other",
  );
  assert.deepEqual(replaced(agent("lost", old), agent("stopped", since)), ["stopped", "replaced"]);
  assert.deepEqual(
    replaced(agent("lost", old), agent("lost", since)),
    ["lost", "replaced"],
    "the last one counts",
  );
  assert.deepEqual(
    replaced(agent("lost", "2026-01-02T02:59:50.000Z")),
    ["lost"],
    "one that died soon after its start replaces nobody, itself least",
  );
  assert.deepEqual(replaced(agent("lost", old), agent("idle", since, { agent: "tester" })), ["lost", "idle"]);
  assert.deepEqual(
    replaced(agent("late", old), agent("idle", since, { started: null })),
    ["late", "idle"],
    "when it was started is not known",
  );
});
