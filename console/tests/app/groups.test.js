// Tests that a run and its jobs form one row, one failure and one notification.

import assert from "node:assert/strict";
import { test } from "node:test";
import { activeNames, failureNames, jobsSummary, rowMatches } from "../../app/groups.js";
import { event, NONE, NOW, of, orders, RUN } from "./events.js";

/** @typedef {import("../../app/event.js").AnyEvent} AnyEvent */

/**
 * @param {number} n
 * @param {AnyEvent["status"]} status
 * @param {number} second
 * @param {Partial<AnyEvent>} [more]
 */
const job = (n, status, second, more = {}) =>
  event({ kind: "check_run", link: `${RUN}/job/${n}`, status, second, ...more });
/** @param {AnyEvent["status"]} status @param {number} second @param {number} [attempt] */
const run = (status, second, attempt = 1) =>
  event({ status, second, link: attempt > 1 ? `${RUN}/attempts/${attempt}` : RUN });

/** @param {import("../../app/groups.js").Row[]} rows */
const texts = (rows) =>
  rows.map((row) =>
    `${row.run.event.kind} ${row.state.event.kind} ${row.state.status} ${jobsSummary(row)}`.trim(),
  );

/** @param {import("../../app/runs.js").Runs} runs @param {ReadonlySet<string>} [dismissed] */
const failures = (runs, dismissed = NONE) => texts(runs.failures(NOW, dismissed));

test("a run and its jobs form one row, whatever the order of their events", () => {
  const events = [
    run("queued", 0),
    run("in_progress", 1),
    job(1, "queued", 1),
    job(2, "in_progress", 2),
    job(3, "in_progress", 2),
    job(3, "success", 5),
  ];
  for (const shuffled of orders(events)) {
    const runs = of(...shuffled);
    assert.deepEqual(texts(runs.active(NOW)), ["workflow_run workflow_run in_progress 1 of 3 jobs done"]);
    assert.deepEqual(failures(runs), []);
    for (const end of [job(2, "failure", 8), run("failure", 9), job(1, "failure", 8)]) runs.take(end);
    assert.deepEqual(texts(runs.active(NOW)), []);
    assert.deepEqual(failures(runs), ["workflow_run workflow_run failure 2 of 3 jobs failed"]);
  }
});

test("an active run fails if a job fails, and an ended run fails only if its status is failure", () => {
  const runs = of(run("in_progress", 0), job(1, "failure", 3), job(2, "in_progress", 1));
  assert.deepEqual(failures(runs), ["workflow_run check_run failure 1 of 2 jobs failed so far"]);
  assert.deepEqual(texts(runs.active(NOW)), ["workflow_run workflow_run in_progress 1 of 2 jobs failed"]);
  runs.take(job(2, "success", 6));
  assert.equal(failures(runs).length, 1, "the success of one job does not clear the failure of another job");
  runs.take(run("success", 7));
  assert.deepEqual(failures(runs), [], "the job was allowed to fail");
  runs.take(job(3, "failure", 8));
  assert.deepEqual(failures(runs), [], "the failure of a job after the run's end does not count");
});

test("the jobs of an unknown run form one row", () => {
  const runs = of(job(1, "failure", 3), job(2, "failure", 4), job(3, "in_progress", 4));
  assert.deepEqual(failures(runs), ["check_run check_run failure 2 of 3 jobs failed"]);
  assert.deepEqual(texts(runs.active(NOW)), ["check_run check_run in_progress 2 of 3 jobs failed"]);
  assert.deepEqual(
    failures(of(job(1, "failure", 3))),
    ["check_run check_run failure"],
    "a single job has no summary",
  );
  const elsewhere = job(2, "failure", 4, { link: "https://ci.example/job/9" });
  assert.equal(failures(of(job(1, "failure", 3), elsewhere)).length, 2);
});

test("a new attempt has no earlier jobs, even if its jobs are reported before the attempt itself", () => {
  const runs = of(
    run("queued", 0),
    job(1, "failure", 5),
    job(2, "success", 5),
    run("failure", 6),
    job(3, "queued", 10),
  );
  assert.deepEqual(failures(runs), [], "a job of the run is active again");
  assert.deepEqual(texts(runs.active(NOW)), ["check_run check_run queued"]);
  runs.take(run("in_progress", 9, 2));
  assert.deepEqual(texts(runs.active(NOW)), ["workflow_run workflow_run in_progress"]);
  runs.take(job(3, "success", 12));
  runs.take(run("success", 13, 2));
  assert.deepEqual([...failures(runs), ...texts(runs.active(NOW))], []);
});

test("a new attempt replaces an attempt that was never reported as ended", () => {
  const runs = of(run("queued", 0), job(1, "failure", 5), run("queued", 9, 2));
  assert.deepEqual(failures(runs), []);
  runs.take(job(2, "failure", 12));
  assert.deepEqual(failures(runs), ["workflow_run check_run failure"]);
});

test("one dismissal covers all jobs of an attempt, and stays in force after the run ends", () => {
  const runs = of(run("in_progress", 0), job(1, "failure", 3));
  const [row] = runs.failures(NOW, NONE);
  assert.ok(row);
  const dismissed = new Set(failureNames(row));
  runs.take(job(2, "failure", 4));
  assert.deepEqual(failures(runs, dismissed), []);
  runs.take(run("failure", 6));
  assert.deepEqual(failures(runs, dismissed), []);
  runs.take(run("failure", 9, 2));
  assert.equal(failures(runs, dismissed).length, 1, "the next attempt is a new failure");
});

test("a dismissed active run is shown again after its next event, and its jobs do not show it again", () => {
  const runs = of(run("queued", 0), job(1, "queued", 1));
  const [row] = runs.active(NOW, NONE);
  assert.ok(row);
  const dismissed = new Set(activeNames(row));
  assert.deepEqual(runs.active(NOW, dismissed), []);
  runs.take(job(1, "in_progress", 2));
  assert.deepEqual(runs.active(NOW, dismissed), []);
  assert.equal(failures(runs, dismissed).length, 0);
  runs.take(run("in_progress", 3));
  assert.equal(runs.active(NOW, dismissed).length, 1);
});

test("while the run is unknown, all active jobs of a row are dismissed", () => {
  const runs = of(job(1, "queued", 1), job(2, "in_progress", 2), job(3, "success", 3));
  const [row] = runs.active(NOW, NONE);
  assert.ok(row);
  const dismissed = new Set(activeNames(row));
  assert.equal(dismissed.size, 2);
  assert.deepEqual(runs.active(NOW, dismissed), []);
});

test("while the run is unknown, each job is dismissed separately", () => {
  const runs = of(job(1, "failure", 3), job(2, "failure", 4));
  const dismissed = new Set(runs.failures(NOW, NONE).flatMap(failureNames));
  assert.deepEqual(failures(runs, dismissed), []);
  runs.take(job(3, "failure", 5));
  assert.equal(failures(runs, dismissed).length, 1);
});

test("a failure has the same name, whether it comes from the feed or from the query API", () => {
  const live = job(1, "failure", 3);
  const names = of(live).failures(NOW, NONE).flatMap(failureNames);
  assert.deepEqual(failures(of({ ...live, meta: { attempt: 1, name: "test" } }), new Set(names)), []);
});

test("a failure is reported once for each attempt of a run", () => {
  const runs = of(run("in_progress", 0));
  /** @param {AnyEvent} one */
  const reports = (one) => runs.take(one)?.state.event === one;
  assert.ok(!reports(job(1, "in_progress", 1)));
  assert.ok(reports(job(1, "failure", 3)), "the first failed job is reported");
  assert.ok(!reports(job(2, "failure", 4)));
  assert.ok(!reports(run("failure", 5)));
  assert.ok(!reports(run("in_progress", 7, 2)));
  assert.ok(!reports(job(3, "success", 8)));
  assert.ok(reports(run("failure", 9, 2)), "the next attempt is reported");
  assert.ok(!reports(job(4, "failure", 9)));
  const green = of(run("success", 5));
  assert.equal(green.take(job(1, "failure", 4)), null, "the run succeeded despite the job");
  const early = of(job(1, "failure", 3));
  assert.equal(early.take(job(2, "failure", 3)), null);
  assert.equal(early.take(run("failure", 4)), null);
});

test("a run without new events stays active as long as its jobs send events", () => {
  const hours = 7 * 3_600;
  const runs = of(run("in_progress", 0), job(1, "in_progress", hours));
  assert.equal(runs.active(NOW + hours * 1_000).length, 1);
  assert.equal(runs.active(NOW + 2 * hours * 1_000).length, 0);
});

test("runs with different links have separate rows, and a row matches if one of its jobs does", () => {
  const runs = of(
    run("in_progress", 0),
    job(1, "in_progress", 1, { vtid: "UNSET" }),
    event({ link: `${RUN}8`, status: "in_progress" }),
  );
  const rows = runs.active(NOW);
  assert.equal(rows.length, 2);
  assert.equal(rows.filter((row) => rowMatches(row, ({ vtid }) => vtid === "UNSET")).length, 1);
  assert.equal(rows.filter((row) => rowMatches(row, ({ kind }) => kind === "push")).length, 0);
});

test("the number of jobs of a run is bounded, and a run is dropped together with its jobs", () => {
  const runs = of(run("in_progress", 0));
  for (let i = 0; i < 2_000; i++) runs.take(job(i, "in_progress", 1));
  assert.ok(runs.byKey.size <= 501, `${runs.byKey.size} runs are kept`);
  runs.take(run("success", 2));
  for (let i = 0; i < 6_000; i++)
    runs.take(event({ link: `https://github.com/acme/x/actions/runs/${i}`, status: "in_progress" }));
  assert.ok(![...runs.byKey.keys()].some((key) => key.includes("/runs/77")));
});

test("beyond the limit of jobs, failed jobs are kept", () => {
  const jobs = Array.from({ length: 620 }, (_, n) => job(n, n === 0 ? "failure" : "success", 2 + n / 1_000));
  const runs = of(run("in_progress", 0), ...jobs);
  assert.deepEqual(failures(runs), ["workflow_run check_run failure 1 of 500 jobs failed so far"]);
});

test("an agent that repeats its failure counts as one failure", () => {
  const ping = (/** @type {number} */ second, /** @type {Partial<AnyEvent>} */ more = {}) =>
    event({
      source: "agent.ping",
      kind: "ping",
      module: "CODER",
      link: null,
      status: "failure",
      second,
      ...more,
    });
  const runs = of();
  const pings = [
    ping(1),
    ping(2),
    ping(3, { status: "in_progress" }),
    ping(4),
    ping(5, { kind: "ping.lost" }),
  ];
  assert.deepEqual(
    pings.map((event) => runs.take(event) !== null),
    [true, false, false, true, true],
  );
  assert.equal(runs.failures(NOW, NONE).length, 1);
});
