// Tests what the page knows about each kind, source and status.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  familyOf,
  isBeat,
  isLost,
  isMoment,
  isNoRun,
  kindWords,
  laneOf,
  nameOf,
  pullEndStep,
} from "../../app/kinds.js";
import { isActive, isFailure, isSuccess, RUNNING, STATUSES, sourceFacts, word } from "../../app/sets.js";
import { event } from "./events.js";

const PULL = "https://github.com/acme/gateway/pull/100";

test("each of GitHub's kinds has a lane, and a kind without a duration is never part of a run", () => {
  const facts = (/** @type {string} */ kind) => {
    const one = event({ kind });
    return [laneOf(one), isMoment(one) ? "moment" : "", isNoRun(one) ? "" : familyOf(kind)];
  };
  assert.deepEqual(facts("push"), ["code", "moment", ""]);
  assert.deepEqual(facts("create"), ["code", "moment", ""]);
  assert.deepEqual(facts("delete"), ["code", "moment", ""]);
  assert.deepEqual(facts("pull_request"), ["code", "moment", ""]);
  assert.deepEqual(facts("release"), ["deploys", "moment", ""]);
  assert.deepEqual(facts("ping"), ["events", "", ""]);
  assert.deepEqual(facts("workflow_run"), ["checks", "", "workflow_run"]);
  assert.deepEqual(facts("workflow_job"), ["checks", "", "job"]);
  assert.deepEqual(facts("check_run"), ["checks", "", "job"]);
  assert.deepEqual(facts("check_suite"), ["checks", "", "check_suite"]);
  assert.deepEqual(facts("deployment"), ["deploys", "", "deployment"]);
  assert.deepEqual(facts("deployment_status"), ["deploys", "", "deployment"]);
});

test("the prefix of a producer's own kind decides the lane, and events of this kind may form a run", () => {
  const own = (/** @type {string} */ kind) => {
    const one = event({ kind, source: "oasis.events" });
    return [laneOf(one), isMoment(one), isNoRun(one), familyOf(kind)];
  };
  assert.deepEqual(own("deploy.canary"), ["deploys", false, false, "deploy.canary"]);
  assert.deepEqual(own("released"), ["deploys", false, false, "released"]);
  assert.deepEqual(own("workflow_step"), ["checks", false, false, "workflow_step"]);
  assert.deepEqual(own("check_links"), ["checks", false, false, "check_links"]);
  assert.deepEqual(own("workflow"), ["events", false, false, "workflow"]);
  assert.deepEqual(own("build"), ["events", false, false, "build"]);
  assert.deepEqual(own("constructor"), ["events", false, false, "constructor"]);
  assert.deepEqual(own("push"), ["code", true, false, "push"], "another source may use GitHub's kinds");
});

test("the source decides the lane for Cloud Run and for agents", () => {
  assert.equal(laneOf(event({ source: "gcp.deploy", kind: "traffic" })), "deploys");
  assert.equal(laneOf(event({ source: "agent.ping", kind: "workflow_run" })), "agents");
});

test("the label of an event in a journey is its name, or its kind if it has no name", () => {
  const label = (/** @type {string} */ kind, /** @type {object} */ more = {}) =>
    nameOf(event({ kind, link: null, ...more }));
  assert.equal(label("push", { meta: { sha: "0123456789abcdef" } }), "push 0123456");
  assert.equal(label("push"), "push");
  assert.equal(label("release", { meta: { tag: "v1.2" } }), "v1.2");
  assert.equal(label("release"), "release");
  assert.equal(label("workflow_run", { meta: { name: "CI" } }), "CI");
  assert.equal(label("deploy", { meta: { service: "gateway" } }), "gateway");
  assert.equal(label("deployment_status"), "deployment status");
  assert.equal(label("ping", { source: "agent.ping", module: "PLANNER" }), "planner");
});

test("the label of a pull request has the number and action, and the end of the request is a step", () => {
  const pull = (/** @type {import("../../client/types.js").Status} */ status, meta = {}) =>
    event({ kind: "pull_request", link: PULL, status, meta });
  assert.equal(nameOf(pull("info", { action: "ready_for_review" })), "PR #100 ready for review");
  assert.equal(nameOf(pull("success")), "PR #100 merged");
  assert.equal(nameOf(pull("cancelled")), "PR #100 closed");
  assert.equal(nameOf({ ...pull("success"), link: null }), "PR merged");
  assert.deepEqual(
    STATUSES.map((status) => pullEndStep(pull(status))),
    [null, null, "Merged", null, "PR closed", null],
  );
  assert.equal(pullEndStep(event({ kind: "push", status: "success" })), null);
});

test("neither GitHub's ping nor the notice of a lost agent is an agent's ping", () => {
  assert.ok(isBeat(event({ source: "agent.ping", kind: "ping" })));
  assert.ok(!isBeat(event({ source: "github.actions", kind: "ping" })));
  assert.ok(!isBeat(event({ source: "agent.ping", kind: "ping.lost" })));
  assert.ok(isLost(event({ source: "agent.ping", kind: "ping.lost" })));
});

test("each status has a place in the order, a word and an outcome", () => {
  assert.deepEqual(STATUSES, ["queued", "in_progress", "success", "failure", "cancelled", "info"]);
  assert.deepEqual(STATUSES.map(word), ["queued", "running", "success", "failed", "cancelled", "info"]);
  assert.deepEqual(STATUSES.filter(isActive), ["queued", "in_progress"]);
  assert.deepEqual(STATUSES.filter(isSuccess), ["success"]);
  assert.deepEqual(STATUSES.filter(isFailure), ["failure"]);
});

test("every source except agent.ping has runs", () => {
  assert.deepEqual(RUNNING, ["oasis.events", "github.actions", "gcp.deploy"]);
  assert.equal(sourceFacts("gcp.deploy").name, "Cloud Run");
});

test("an unknown status or source is shown unchanged, and the status counts as info", () => {
  for (const name of ["unheard_of", "constructor"]) {
    const status = /** @type {import("../../client/types.js").Status} */ (name);
    assert.equal(word(status), name);
    assert.deepEqual([isActive(status), isSuccess(status), isFailure(status)], [false, false, false]);
    const source = /** @type {import("../../client/types.js").Source} */ (name);
    assert.equal(sourceFacts(source).name, name);
    assert.equal(laneOf(event({ source, kind: "push" })), "code");
  }
  assert.equal(kindWords("a_new_kind"), "a new kind");
});
