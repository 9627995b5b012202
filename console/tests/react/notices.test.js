import assert from "node:assert/strict";
import { test } from "node:test";

import { describeEvent } from "../../react/describe.js";
import { fold } from "../../react/notices.js";

const event = (type, data, id = "1") => ({ id, type, timestamp: "2026-01-02T03:04:05.000Z", data });
const workload = (status, more = {}) =>
  event("workload_status_update", { workload_id: "api", status, message: "m", ...more });
const options = { now: 1_000, duration: 5_000, max: 3, describe: describeEvent };

test("each type of event has a text and a variant", () => {
  const shown = (type, data) => {
    const { title, description, variant } = describeEvent(event(type, data));
    return [title, description, variant];
  };
  for (const [status, variant] of [
    ["Pending", "info"],
    ["Building", "info"],
    ["Deploying", "info"],
    ["Running", "success"],
    ["Degraded", "warning"],
    ["Failed", "error"],
  ])
    assert.deepEqual(shown("workload_status_update", { workload_id: "api", status, message: "m" }), [
      `Workload api: ${status}`,
      "m",
      variant,
    ]);
  const build = { build_id: "7", workload_id: "api" };
  for (const [type, data, expected] of [
    [
      "addon_status_update",
      { addon_id: "db", status: "Running" },
      ["Add-on db: Running", undefined, "success"],
    ],
    [
      "project_status_update",
      { project_id: "shop", status: "Error" },
      ["Project shop: Error", undefined, "error"],
    ],
    [
      "project_status_update",
      { project_id: "shop", status: "Ready" },
      ["Project shop: Ready", undefined, "success"],
    ],
    [
      "cluster_status_update",
      { cluster_id: "eu", status: "unhealthy" },
      ["Cluster eu: unhealthy", undefined, "error"],
    ],
    [
      "cluster_status_update",
      { cluster_id: "eu", status: "healthy" },
      ["Cluster eu: healthy", undefined, "success"],
    ],
    ["build_complete", { ...build, message: "m" }, ["Build 7 of api succeeded", "m", "success"]],
    ["build_failed", { ...build, error: "no space" }, ["Build 7 of api failed", "no space", "error"]],
    ["error_report", { error_type: "oom", message: "m" }, ["Error: oom", "m", "error"]],
    ["something_new", {}, ["something_new", undefined, "info"]],
  ])
    assert.deepEqual(shown(type, data), expected);
});

test("equal events become one toast with a count, which stays longer", () => {
  const first = fold([], [workload("Failed"), workload("Running")], options);
  assert.deepEqual(
    first.list.map(({ title, count, until }) => [title, count, until]),
    [
      ["Workload api: Failed", 1, 6_000],
      ["Workload api: Running", 1, 6_000],
    ],
  );
  const second = fold(first.list, [workload("Failed"), workload("Failed")], { ...options, now: 2_000 });
  assert.deepEqual(
    second.list.map(({ title, count, until }) => [title, count, until]),
    [
      ["Workload api: Failed", 3, 7_000],
      ["Workload api: Running", 1, 6_000],
    ],
  );
  assert.deepEqual(
    second.changed.map(({ title }) => title),
    ["Workload api: Failed"],
  );
  const other = fold(second.list, [workload("Failed", { message: "another reason" })], options);
  assert.equal(other.list.length, 3, "a different message is a different toast");
});

test("at most `max` toasts are visible, and the oldest ones go first", () => {
  const events = ["a", "b", "c", "d"].map((id) => workload("Failed", { workload_id: id }));
  const { list, changed } = fold([], events, options);
  const titles = ["Workload b: Failed", "Workload c: Failed", "Workload d: Failed"];
  assert.deepEqual(
    [list, changed].map((all) => all.map(({ title }) => title)),
    [titles, titles],
  );
});

test("a toast that is over, and an event that the page excludes, do not count", () => {
  const { list } = fold([], [workload("Failed")], options);
  const again = fold(list, [workload("Failed")], { ...options, now: 6_000 });
  assert.equal(again.list[0].count, 1);
  const filter = ({ data }) => data.status === "Failed";
  assert.equal(fold([], [workload("Running")], { ...options, filter }).list.length, 0);
  assert.equal(fold([], [workload("Running")], { ...options, describe: () => null }).list.length, 0);
});
