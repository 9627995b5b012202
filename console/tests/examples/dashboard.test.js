// Tests how the app in examples/react-dashboard collects the state of resources, and how it counts events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byType, perMinute } from "../../../examples/react-dashboard/src/metrics.js";
import { addEvents, NOTHING, within } from "../../../examples/react-dashboard/src/resources.js";

const IDS = { workload_id: "api", project_id: "shop", cluster_id: "eu" };
const running = { id: 1, event_type: "workload_status_update", ...IDS, status: "Running", replicas: 3 };

test("an event of a workload also shows its project and its cluster, whose statuses are unknown", () => {
  const known = addEvents(NOTHING, [running]);
  assert.deepEqual([...known.clusters], [["eu", {}]]);
  assert.deepEqual([...known.projects], [["shop", { cluster_id: "eu" }]]);
  assert.equal(known.workloads.get("api").status, "Running");
  assert.equal(NOTHING.workloads.size, 0, "the earlier state is unchanged");
});

test("a later event replaces the fields that it has, and a build leaves the status of its workload", () => {
  const failed = { id: 2, event_type: "workload_status_update", workload_id: "api", status: "Failed" };
  const build = { id: 3, event_type: "build_failed", workload_id: "api", build_id: "b1", error: "no" };
  const { workloads } = addEvents(NOTHING, [running, failed, build]);
  const { status, replicas, project_id, error } = workloads.get("api");
  assert.deepEqual([status, replicas, project_id, error], ["Failed", 3, "shop", undefined]);
});

test("an event that was added before is not added again, even if a later event has replaced it", () => {
  const failed = { ...running, id: 2, status: "Failed" };
  const known = addEvents(addEvents(NOTHING, [running]), [running, failed]);
  assert.equal(known.workloads.get("api").status, "Failed");
  assert.equal(addEvents(known, [running, failed]), known);
  assert.equal(addEvents(known, []), known);
});

test("after the ids begin again, the state begins again", () => {
  const known = addEvents(NOTHING, [{ ...running, id: 900 }]);
  const after = addEvents(known, [{ ...running, id: 4, workload_id: "web" }]);
  assert.deepEqual([...after.workloads.keys()], ["web"]);
});

test("the resources of a project are sorted by id, and every valid id is one of them", () => {
  const ids = ["web", "__proto__", "constructor", "api"];
  const known = addEvents(
    NOTHING,
    ids.map((workload_id, index) => ({ ...running, id: index + 1, workload_id })),
  );
  const found = within(known.workloads, "project_id", "shop").map(([id]) => id);
  assert.deepEqual(found, ["__proto__", "api", "constructor", "web"]);
});

test("events are counted by minute and by type", () => {
  const now = 1_764_400_000_000;
  const event = (/** @type {number} */ secondsAgo, type = "build_failed") => ({
    type,
    data: { timestamp: now / 1_000 - secondsAgo },
  });
  const events = [event(-2), event(59), event(61), event(119, "build_complete"), event(181), event(9_999)];
  assert.deepEqual(perMinute(events, now, 4), [1, 0, 2, 2]);
  assert.deepEqual(byType(events), [
    ["build_failed", 5],
    ["build_complete", 1],
  ]);
});
