import assert from "node:assert/strict";
import { test } from "node:test";
import { attemptOf, failureName, Runs, runKey, SILENT_MS } from "../../app/runs.js";

const RUN = "https://github.com/acme/gateway/actions/runs/77";
const START = Date.parse("2026-01-02T03:00:00.000Z");
let ids = 0;

/** @param {Partial<import("../../app/runs.js").AnyEvent> & { second?: number }} of */
function event({ second = 0, ...of }) {
  const ts = new Date(START + second * 1_000).toISOString();
  return /** @type {import("../../app/runs.js").AnyEvent} */ ({
    id: ++ids,
    ts,
    vtid: "DEV-CICDL-0031",
    layer: "CICDL",
    module: "CORE",
    source: "github.actions",
    kind: "workflow_run",
    status: "queued",
    title: "",
    ref: "",
    link: RUN,
    receivedAt: Date.parse(ts),
    ...of,
  });
}

/** @param {...import("../../app/runs.js").AnyEvent} events */
function of(...events) {
  const runs = new Runs();
  for (const one of events) runs.take(one);
  return runs;
}

const NOW = START + 60_000;
const NONE = new Set();

test("a run is one row, with the time it waited apart from the time it ran", () => {
  const runs = of(event({}), event({ second: 5, status: "in_progress" }));
  const [run, ...others] = runs.active(NOW);
  assert.equal(others.length, 0);
  assert.deepEqual([run?.status, run?.queuedAt, run?.startedAt], ["in_progress", START, START + 5_000]);
  runs.take(event({ second: 9, status: "success" }));
  assert.deepEqual(runs.active(NOW), []);
});

test("in any order the state is the same: attempt, then time, then an end", () => {
  const events = [
    event({ second: 0 }),
    event({ second: 5, status: "in_progress" }),
    event({ second: 20, status: "failure" }),
    event({ second: 3, link: `${RUN}/attempts/2`, status: "queued" }),
    event({ second: 12, link: `${RUN}/attempts/2`, status: "success" }),
    event({ second: 12, link: `${RUN}/attempts/2`, status: "in_progress" }),
  ];
  let seed = 3;
  for (let round = 0; round < 200; round++) {
    const shuffled = [...events];
    for (let i = shuffled.length - 1; i > 0; i--) {
      seed = (seed * 48271) % 0x7fffffff;
      const j = seed % (i + 1);
      const [a, b] = [shuffled[i], shuffled[j]];
      if (a && b) [shuffled[i], shuffled[j]] = [b, a];
    }
    const [run] = of(...shuffled).byKey.values();
    assert.deepEqual([run?.status, run?.attempt], ["success", 2]);
  }
});

test("failures stay until the same run, or the same thing of the same task, is green, or they are dismissed", () => {
  const failed = event({ status: "failure", second: 1 });
  assert.equal(of(failed).failures(NOW, NONE).length, 1);
  assert.equal(
    of(failed, event({ link: `${RUN}/attempts/2`, second: 2 })).failures(NOW, NONE).length,
    0,
    "it runs again",
  );
  const other = {
    link: "https://github.com/acme/gateway/actions/runs/78",
    status: /** @type {const} */ ("success"),
  };
  assert.equal(of(failed, event({ ...other, second: 2 })).failures(NOW, NONE).length, 0);
  assert.equal(
    of(failed, event({ ...other, second: 0 })).failures(NOW, NONE).length,
    1,
    "green before it failed",
  );
  assert.equal(of(failed, event({ ...other, second: 2, kind: "check_run" })).failures(NOW, NONE).length, 1);
  const unset = { vtid: "UNSET" };
  assert.equal(
    of({ ...failed, ...unset }, event({ ...other, ...unset, second: 2 })).failures(NOW, NONE).length,
    1,
    "no task is not a task",
  );
  const runs = of(failed);
  const [failure] = runs.failures(NOW, NONE);
  assert.ok(failure);
  assert.deepEqual(runs.failures(NOW, new Set([failureName(failure)])), []);
  assert.deepEqual(runs.failures(START + 25 * 3_600_000, NONE), []);
});

test("what says nothing is forgotten, and pings are no runs", () => {
  assert.deepEqual(of(event({})).active(START + SILENT_MS + 1), []);
  assert.equal(runKey(event({ source: "agent.ping", kind: "ping" })), null);
});

test("a run has its link for a name, whatever its attempt; a deployment its task", () => {
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

test("the next deploy of a service does not begin when the last one did", () => {
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
  assert.equal(runs.active(NOW)[0]?.startedAt, START + 40_000);
});

test("however many runs there are, few are kept", () => {
  const runs = new Runs();
  for (let i = 0; i < 12_000; i++)
    runs.take(event({ link: `https://github.com/acme/x/actions/runs/${i}`, status: "failure" }));
  assert.ok(runs.byKey.size <= 5_000);
  assert.ok(runs.failures(NOW, NONE).length <= 5_000);
});
