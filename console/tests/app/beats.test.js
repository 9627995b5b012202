import assert from "node:assert/strict";
import { test } from "node:test";
import { beatFilter } from "../../app/beats.js";

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
