import assert from "node:assert/strict";
import { test } from "node:test";
import { failureNames } from "../../app/groups.js";
import { attemptOf, runKey } from "../../app/run.js";
import { RECENT_MS, SILENT_MS } from "../../app/runs.js";
import { event, NONE, NOW, of, orders, RUN, START } from "./events.js";

test("a run has one row, and its queue time is separate from its run time", () => {
  const runs = of(event({}), event({ second: 5, status: "in_progress" }));
  const [row, ...others] = runs.active(NOW);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [row?.state.status, row?.state.queuedAt, row?.state.startedAt],
    ["in_progress", START, START + 5_000],
  );
  runs.take(event({ second: 9, status: "success" }));
  assert.deepEqual(runs.active(NOW), []);
});

test("the state of a run does not depend on the order in which its events arrive", () => {
  // The highest attempt decides the state. Within an attempt, the latest event decides. If two events have
  // the same time, the later phase decides.
  const events = [
    event({ second: 0 }),
    event({ second: 5, status: "in_progress" }),
    event({ second: 20, status: "failure" }),
    event({ second: 3, link: `${RUN}/attempts/2`, status: "queued" }),
    event({ second: 12, link: `${RUN}/attempts/2`, status: "success" }),
    event({ second: 12, link: `${RUN}/attempts/2`, status: "in_progress" }),
  ];
  for (const shuffled of orders(events)) {
    const [run] = of(...shuffled).byKey.values();
    assert.deepEqual([run?.status, run?.attempt], ["success", 2]);
  }
});

test("a failure stays until it is dismissed, or until its run or a matching run succeeds", () => {
  const failed = event({ status: "failure", second: 1 });
  assert.equal(of(failed).failures(NOW, NONE).length, 1);
  assert.equal(
    of(failed, event({ link: `${RUN}/attempts/2`, second: 2 })).failures(NOW, NONE).length,
    0,
    "the run is active again",
  );
  const other = {
    link: "https://github.com/acme/gateway/actions/runs/78",
    status: /** @type {const} */ ("success"),
  };
  assert.equal(of(failed, event({ ...other, second: 2 })).failures(NOW, NONE).length, 0);
  assert.equal(
    of(failed, event({ ...other, second: 0 })).failures(NOW, NONE).length,
    1,
    "the success was before the failure",
  );
  assert.equal(of(failed, event({ ...other, second: 2, kind: "check_run" })).failures(NOW, NONE).length, 1);
  const unset = { vtid: "UNSET" };
  assert.equal(
    of({ ...failed, ...unset }, event({ ...other, ...unset, second: 2 })).failures(NOW, NONE).length,
    1,
    "UNSET does not connect two runs",
  );
  const runs = of(failed);
  const [failure] = runs.failures(NOW, NONE);
  assert.ok(failure);
  assert.deepEqual(runs.failures(NOW, new Set(failureNames(failure))), []);
  assert.deepEqual(runs.failures(START + 25 * 3_600_000, NONE), []);
});

test("a run without new events is no longer active, and a ping is not a run", () => {
  assert.deepEqual(of(event({})).active(START + SILENT_MS + 1), []);
  assert.equal(runKey(event({ source: "agent.ping", kind: "ping" })), null);
});

test("a run is identified by its link without the attempt, and a deployment by its task", () => {
  assert.equal(runKey(event({ link: `${RUN}/attempts/3` })), runKey(event({ link: `${RUN}?x=1` })));
  assert.equal(attemptOf(event({ link: `${RUN}/attempts/3` })), 3);
  assert.equal(attemptOf(event({ link: `${RUN}/job/5` })), 0);
  const deployment = event({ kind: "deployment", link: `${RUN}` });
  const status = event({ kind: "deployment_status", link: "https://acme.example/" });
  assert.equal(runKey(deployment), runKey(status));
  assert.equal(
    runKey(event({ link: null, source: "oasis.events", kind: "build" })),
    "build|DEV-CICDL-0031|CORE",
  );
});

test("a new deploy of a service does not keep the start time of the previous deploy", () => {
  const deploy = {
    source: "gcp.deploy",
    kind: "deploy",
    link: "https://console.cloud.google.com/run/detail/r/gateway/revisions?project=p",
  };
  const runs = of(
    event({ ...deploy, second: 0, status: "in_progress" }),
    event({ ...deploy, second: 8, status: "success" }),
    event({ ...deploy, second: 40, status: "in_progress" }),
  );
  runs.take(event({ ...deploy, second: 1, status: "in_progress" }));
  assert.equal(runs.active(NOW)[0]?.state.startedAt, START + 40_000);
});

test("beyond the limit the oldest runs are dropped, and runs that are shown are dropped last", () => {
  const runs = of(event({ status: "failure" }), event({ link: `${RUN}1`, status: "in_progress" }));
  /** @param {number} i @param {Partial<import("../../app/event.js").AnyEvent>} more */
  const other = (i, more) =>
    runs.take(event({ vtid: "UNSET", link: `https://github.com/acme/x/actions/runs/${i}`, ...more }));
  for (let i = 0; i < 12_000; i++) other(i, { status: "success" });
  assert.ok(runs.byKey.size <= 5_000 && runs.byKey.size > 4_000, `${runs.byKey.size} runs are kept`);
  assert.deepEqual([runs.failures(NOW, NONE).length, runs.active(NOW).length], [1, 1]);
  for (let i = 0; i < 12_000; i++) {
    other(i, { status: "failure" });
    if (i % 1_000 === 0) runs.take(event({ second: i, link: `${RUN}1`, status: "in_progress" }));
  }
  assert.ok(runs.byKey.size <= 5_000);
  const [kept] = runs.active(START + 12_000_000);
  assert.equal(kept?.state.startedAt, START, "a run with a recent event is not among the oldest");
  assert.ok(runs.failures(NOW, NONE).length <= 5_000);
});

test("events without a duration, such as a push or a release, are not kept as runs", () => {
  const runs = of();
  for (const kind of ["push", "pull_request", "release", "create", "delete", "ping"])
    runs.take(event({ kind, status: "info", link: `https://github.com/acme/x/${kind}` }));
  assert.equal(runs.byKey.size, 0);
});

test("once both names are known, a workflow's success does not clear another workflow's failure", () => {
  const failed = event({ status: "failure", second: 1 });
  const link = (/** @type {number} */ id) => `https://github.com/acme/gateway/actions/runs/${id}`;
  const lint = event({ link: link(78), status: "success", second: 2 });
  const ci = event({ link: link(79), status: "success", second: 3 });
  const runs = of(failed, lint);
  assert.equal(runs.failures(NOW, NONE).length, 0, "unknown names count as equal");
  assert.equal(runs.unsure.size, 2);
  runs.learn({ ...failed, meta: { name: "CI" } });
  runs.learn({ ...lint, meta: { name: "Lint" } });
  assert.equal(runs.failures(NOW, NONE).length, 1);
  assert.equal(runs.unsure.size, 0);
  runs.take(ci);
  runs.learn({ ...ci, meta: { name: "CI" } });
  assert.equal(runs.failures(NOW, NONE).length, 0);
  runs.take(event({ link: link(80), status: "success", second: 4, meta: { name: "Lint" } }));
  assert.equal(runs.failures(NOW, NONE).length, 0, "a later success of another workflow changes nothing");
});

const YEAR = 365 * 86_400_000;
/** An event that arrived late. @param {number} ms The delay. @param {Parameters<typeof event>[0]} of */
const late = (ms, of) => event({ ts: new Date(START - ms).toISOString(), receivedAt: START, ...of });

test("a failure that happened before the window is not recent, although it arrived just now", () => {
  const day = RECENT_MS;
  const all = [late(YEAR, { status: "failure" }), late(day - 90_000, { status: "failure", link: `${RUN}1` })];
  const runs = of();
  assert.deepEqual(
    all.map((one) => runs.take(one)?.state.event.link ?? null),
    [null, `${RUN}1`],
    "a failure that is not recent is not reported",
  );
  assert.deepEqual(
    runs.failures(NOW, NONE).map(({ key }) => key),
    [`workflow_run|${RUN}1`],
  );
  assert.deepEqual(runs.failures(START + 2 * 60_000, NONE), [], "the failure happened 24 h ago");
  const ping = late(YEAR, { source: "agent.ping", kind: "ping", status: "failure", link: null });
  assert.deepEqual(of(ping).failures(NOW, NONE), []);
});

test("a run whose last event happened long ago is not active, although the event arrived just now", () => {
  const runs = of(
    late(YEAR, { status: "in_progress" }),
    late(YEAR, { status: "queued", link: `${RUN}/job/1`, kind: "check_run" }),
    late(SILENT_MS - 90_000, { status: "in_progress", link: `${RUN}1` }),
  );
  assert.deepEqual(
    runs.active(NOW).map(({ key }) => key),
    [`workflow_run|${RUN}1`],
  );
  runs.take(event({ status: "in_progress" }));
  assert.equal(runs.active(NOW).length, 2, "the run reports again");
});

test("imported runs do not displace recent failures and active runs", () => {
  const runs = of(event({ status: "failure" }), event({ link: `${RUN}1`, status: "in_progress" }));
  for (let i = 0; i < 12_000; i++) {
    const status = i % 2 ? "failure" : "in_progress";
    runs.take(late(YEAR, { vtid: "UNSET", link: `https://github.com/acme/x/actions/runs/${i}`, status }));
  }
  assert.deepEqual([runs.failures(NOW, NONE).length, runs.active(NOW).length], [1, 1]);
});
