import assert from "node:assert/strict";
import { test } from "node:test";
import { Beats, beatFilter } from "../../app/beats.js";

/** @param {string} module @param {string} status @param {object} [more] */
const ping = (module, status, more = {}) =>
  /** @type {import("../../app/event.js").AnyEvent} */ (
    /** @type {unknown} */ ({
      id: 1,
      vtid: "IDLE",
      source: "agent.ping",
      kind: "ping",
      module,
      status,
      ...more,
    })
  );

test("a ping gets a row only if it differs from the agent's last ping", () => {
  const shows = beatFilter();
  assert.ok(shows(ping("A", "info")));
  assert.ok(!shows(ping("A", "info")));
  assert.ok(shows(ping("B", "info")), "the ping is from another agent");
  assert.ok(shows(ping("A", "in_progress", { vtid: "DEV-CICDL-0031" })));
  assert.ok(shows(ping("A", "in_progress", { vtid: "DEV-CICDL-0032" })));
  assert.ok(!shows(ping("B", "info")));
  assert.ok(shows(ping("B", "info", { kind: "ping.lost" })), "the gateway's notice is not an agent's ping");
  assert.ok(shows(ping("B", "info", { source: "oasis.events" })));
});

test("beatFilter(true) gives each ping a row", () => {
  const shows = beatFilter(true);
  assert.ok(shows(ping("A", "info")));
  assert.ok(shows(ping("A", "info")));
});

/**
 * @param {string} module
 * @param {import("../../app/agents.js").State} state
 * @param {number} last_id
 * @param {string} [vtid]
 */
const agent = (module, state, last_id, vtid = "IDLE") => ({ module, state, last_id, vtid });

test("a live ping gets no row if the list of agents already shows its state", () => {
  const beats = new Beats();
  beats.learn([
    agent("A", "idle", 5),
    agent("B", "working", 6, "DEV-CICDL-0031"),
    agent("C", "late", 7),
    agent("D", "lost", 8),
  ]);
  const work = { vtid: "DEV-CICDL-0031" };
  const pings = [
    ping("A", "info", { id: 10 }),
    ping("B", "in_progress", { id: 11, ...work }),
    ping("C", "info", { id: 12 }),
    ping("A", "in_progress", { id: 13, ...work }),
    ping("A", "in_progress", { id: 14, ...work }),
    ping("A", "info", { id: 15 }),
    ping("D", "info", { id: 16 }),
    ping("E", "info", { id: 17 }),
  ];
  beats.take(pings);
  const shows = beatFilter();
  assert.deepEqual(
    pings.filter(shows).map(({ id }) => id),
    [13, 15, 16, 17],
    "changes, a return and a new agent are news",
  );
});

test("agents of one module that report different states do not make each other's pings news", () => {
  const beats = new Beats();
  const agents = [agent("A", "idle", 1), agent("A", "working", 2, "DEV-CICDL-0031")];
  beats.learn(agents);
  const live = [3, 4, 5, 6].map((id) =>
    id % 2 ? ping("A", "info", { id }) : ping("A", "in_progress", { id, vtid: "DEV-CICDL-0031" }),
  );
  beats.take(live);
  assert.deepEqual(live.filter(beatFilter()), []);
  const change = ping("A", "info", { id: 7, vtid: "DEV-CICDL-0032" });
  beats.take([change]);
  beats.learn(agents);
  const again = ping("A", "info", { id: 8, vtid: "DEV-CICDL-0032" });
  beats.take([again]);
  const shows = beatFilter();
  assert.deepEqual([shows(change), shows(again)], [true, false], "a ping that is newer than the list counts");
});

test("the sender's mark decides for a stored ping", () => {
  const shows = beatFilter();
  assert.ok(!shows(ping("A", "info", { meta: { repeat: true } })), "also if no earlier ping is known");
  assert.ok(!shows(ping("A", "info")));
});
