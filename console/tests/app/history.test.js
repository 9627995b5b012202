// Tests that a newly opened page queries the gateway for earlier runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readHistory } from "../../app/history.js";
import { event, NONE, of } from "./events.js";

/** @typedef {import("../../client/types.js").StoredEvent} StoredEvent */
/** @typedef {import("../../client/types.js").Agent} Agent */

/**
 * Simulates a gateway with these events. Like the real gateway, it refuses a filter with more than 50 values.
 *
 * @param {ReturnType<typeof event>[]} events
 */
function gateway(events) {
  const stored = /** @type {StoredEvent[]} */ (
    events.map((one) => ({ ...one, recorded_at: one.ts, channel: "devhub", meta: one.meta ?? {} }))
  ).sort((a, b) => b.id - a.id);
  let asked = 0;
  /** @type {import("../../app/history.js").Query} */
  const query = async (filters, { before = Number.POSITIVE_INFINITY, limit = 50, since = "" } = {}) => {
    asked++;
    for (const [name, values] of Object.entries(filters))
      if (values && values.length > 50) throw new Error(`parameter \`${name}\`: at most 50 values`);
    const found = stored.filter(
      (one) =>
        one.id < before &&
        one.ts >= since &&
        Object.entries(filters).every(([name, values]) =>
          (values ?? []).includes(/** @type {any} */ (one)[name]),
        ),
    );
    const events = found.slice(0, limit);
    return { events, next: found.length > limit ? (events.at(-1)?.id ?? null) : null };
  };
  return { query, asked: () => asked };
}

const now = () => new Date().toISOString();
/** @param {number} n @param {Partial<StoredEvent>} [more] */
const run = (n, more = {}) =>
  event({
    ts: now(),
    vtid: `DEV-CICDL-${1000 + n}`,
    link: `https://github.com/acme/x/actions/runs/${n}`,
    ...more,
  });
/** @param {number} count */
const later = (count) =>
  Array.from({ length: count }, () => run(9, { vtid: "DEV-OTHER-0001", kind: "task.note", status: "info" }));

/** @param {ReturnType<typeof event>[]} events @param {Agent[]} [agents] */
async function seeded(events, agents = []) {
  const all = await readHistory(gateway(events).query, async (names) =>
    agents.filter(({ agent }) => names.includes(agent)),
  );
  const byId = new Map(all.map((one) => [one.id, one]));
  const runs = of(...[...byId.values()].sort((a, b) => a.id - b.id));
  return { active: runs.active(Date.now()).length, failed: runs.failures(Date.now(), NONE).length };
}

test("active runs are found for any number of tasks, and ended runs are left out", async () => {
  const begun = Array.from({ length: 120 }, (_, i) => run(i, { status: "in_progress" }));
  const ended = Array.from({ length: 20 }, (_, i) => run(i, { status: "success" }));
  assert.deepEqual(await seeded([...begun, ...ended, ...later(600)]), { active: 100, failed: 0 });
});

test("a failure is found even if many events follow, unless a later run succeeded", async () => {
  const events = [run(1, { status: "failure" }), run(2, { status: "failure" }), ...later(600)];
  assert.deepEqual(await seeded(events), { active: 0, failed: 2 });
  const green = run(2, { status: "success", link: "https://github.com/acme/x/actions/runs/22" });
  assert.deepEqual(await seeded([...events, green, ...later(600)]), { active: 0, failed: 1 });
});

test("a run is left out if its end may be on a page that is not read", async () => {
  const vtid = "UNSET";
  const events = [run(1, { vtid, status: "in_progress" }), run(1, { vtid, status: "success" })];
  const many = Array.from({ length: 1_100 }, (_, i) => run(100 + i, { vtid, status: "success" }));
  assert.deepEqual(await seeded([...events, ...many, ...later(600)]), { active: 0, failed: 0 });
});

test("a lost agent is a failure, unless an agent with its name sent a later ping", async () => {
  /** @param {string} agent */
  const lost = (agent) =>
    event({
      ts: now(),
      source: "agent.ping",
      kind: "ping.lost",
      status: "failure",
      module: agent,
      meta: { agent },
    });
  const events = [lost("a"), lost("b"), lost("c"), ...later(600)];
  /** @param {string} agent @param {Agent["state"]} state @param {number} last_id */
  const row = (agent, state, last_id) => /** @type {Agent} */ ({ agent, state, status: "info", last_id });
  const first = events[0]?.id ?? 0;
  const agents = [row("a", "lost", first - 1), row("a", "stopped", first - 2), row("b", "idle", first + 700)];
  assert.deepEqual(await seeded(events, agents), { active: 0, failed: 2 });
});
