// A run and its jobs: one row, one failure, one notification.

import assert from "node:assert/strict";
import { test } from "node:test";
import { failureNames, jobsSay, rowMatches } from "../../app/groups.js";
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
const tell = (rows) =>
  rows.map((row) =>
    `${row.run.event.kind} ${row.state.event.kind} ${row.state.status} ${jobsSay(row)}`.trim(),
  );

/** @param {import("../../app/runs.js").Runs} runs @param {ReadonlySet<string>} [dismissed] */
const failures = (runs, dismissed = NONE) => tell(runs.failures(NOW, dismissed));

test("a run takes in its jobs, whichever is told first", () => {
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
    assert.deepEqual(tell(runs.active(NOW)), ["workflow_run workflow_run in_progress 1 of 3 jobs done"]);
    assert.deepEqual(failures(runs), []);
    for (const end of [job(2, "failure", 8), run("failure", 9), job(1, "failure", 8)]) runs.take(end);
    assert.deepEqual(tell(runs.active(NOW)), []);
    assert.deepEqual(failures(runs), ["workflow_run workflow_run failure 2 of 3 jobs failed"]);
  }
});

test("while a run goes on its first failed job is a failure; once it has ended, the run decides", () => {
  const runs = of(run("in_progress", 0), job(1, "failure", 3), job(2, "in_progress", 1));
  assert.deepEqual(failures(runs), ["workflow_run check_run failure 1 of 2 jobs failed so far"]);
  assert.deepEqual(tell(runs.active(NOW)), ["workflow_run workflow_run in_progress 1 of 2 jobs failed"]);
  runs.take(job(2, "success", 6));
  assert.equal(failures(runs).length, 1, "another job of it that is green makes nothing green");
  runs.take(run("success", 7));
  assert.deepEqual(failures(runs), [], "it may fail");
  runs.take(job(3, "failure", 8));
  assert.deepEqual(failures(runs), [], "nor does what is told late matter");
});

test("jobs of a run that nothing is known of are one row as well", () => {
  const runs = of(job(1, "failure", 3), job(2, "failure", 4), job(3, "in_progress", 4));
  assert.deepEqual(failures(runs), ["check_run check_run failure 2 of 3 jobs failed"]);
  assert.deepEqual(tell(runs.active(NOW)), ["check_run check_run in_progress 2 of 3 jobs failed"]);
  assert.deepEqual(
    failures(of(job(1, "failure", 3))),
    ["check_run check_run failure"],
    "one stands by itself",
  );
  const elsewhere = job(2, "failure", 4, { link: "https://ci.example/job/9" });
  assert.equal(failures(of(job(1, "failure", 3), elsewhere)).length, 2);
});

test("a new attempt begins without the jobs of the last; those told before it stand by themselves", () => {
  const runs = of(
    run("queued", 0),
    job(1, "failure", 5),
    job(2, "success", 5),
    run("failure", 6),
    job(3, "queued", 10),
  );
  assert.deepEqual(failures(runs), [], "a job runs again");
  assert.deepEqual(tell(runs.active(NOW)), ["check_run check_run queued"]);
  runs.take(run("in_progress", 9, 2));
  assert.deepEqual(tell(runs.active(NOW)), ["workflow_run workflow_run in_progress"]);
  runs.take(job(3, "success", 12));
  runs.take(run("success", 13, 2));
  assert.deepEqual([...failures(runs), ...tell(runs.active(NOW))], []);
});

test("the end of the first attempt may have been missed", () => {
  const runs = of(run("queued", 0), job(1, "failure", 5), run("queued", 9, 2));
  assert.deepEqual(failures(runs), []);
  runs.take(job(2, "failure", 12));
  assert.deepEqual(failures(runs), ["workflow_run check_run failure"]);
});

test("a failure is dismissed once for all jobs of an attempt, and stays so when the run ends", () => {
  const runs = of(run("in_progress", 0), job(1, "failure", 3));
  const [row] = runs.failures(NOW, NONE);
  assert.ok(row);
  const dismissed = new Set(failureNames(row));
  runs.take(job(2, "failure", 4));
  assert.deepEqual(failures(runs, dismissed), []);
  runs.take(run("failure", 6));
  assert.deepEqual(failures(runs, dismissed), []);
  runs.take(run("failure", 9, 2));
  assert.equal(failures(runs, dismissed).length, 1, "the next attempt is another failure");
});

test("without a run, each job is dismissed for itself", () => {
  const runs = of(job(1, "failure", 3), job(2, "failure", 4));
  const dismissed = new Set(runs.failures(NOW, NONE).flatMap(failureNames));
  assert.deepEqual(failures(runs, dismissed), []);
  runs.take(job(3, "failure", 5));
  assert.equal(failures(runs, dismissed).length, 1);
});

test("a dismissed failure has the same name when it comes from the query API, which knows more", () => {
  const told = job(1, "failure", 3);
  const names = of(told).failures(NOW, NONE).flatMap(failureNames);
  assert.deepEqual(failures(of({ ...told, meta: { attempt: 1, name: "test" } }), new Set(names)), []);
});

test("a failure is told once for each attempt of a run", () => {
  const runs = of(run("in_progress", 0));
  /** @param {AnyEvent} one */
  const told = (one) => runs.take(one)?.state.event === one;
  assert.ok(!told(job(1, "in_progress", 1)));
  assert.ok(told(job(1, "failure", 3)), "at its first failed job");
  assert.ok(!told(job(2, "failure", 4)));
  assert.ok(!told(run("failure", 5)));
  assert.ok(!told(run("in_progress", 7, 2)));
  assert.ok(!told(job(3, "success", 8)));
  assert.ok(told(run("failure", 9, 2)), "its next attempt");
  assert.ok(!told(job(4, "failure", 9)));
  const green = of(run("success", 5));
  assert.equal(green.take(job(1, "failure", 4)), null, "it ended well all the same");
  const early = of(job(1, "failure", 3));
  assert.equal(early.take(job(2, "failure", 3)), null);
  assert.equal(early.take(run("failure", 4)), null);
});

test("a run that says nothing lives as long as its jobs do", () => {
  const hours = 7 * 3_600;
  const runs = of(run("in_progress", 0), job(1, "in_progress", hours));
  assert.equal(runs.active(NOW + hours * 1_000).length, 1);
  assert.equal(runs.active(NOW + 2 * hours * 1_000).length, 0);
});

test("a run of another task, module or link is another row, and a filter may choose a job", () => {
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

test("a run with more jobs than are kept stays bounded, and goes with all of them", () => {
  const runs = of(run("in_progress", 0));
  for (let i = 0; i < 2_000; i++) runs.take(job(i, "in_progress", 1));
  assert.ok(runs.byKey.size <= 501, `${runs.byKey.size}`);
  runs.take(run("success", 2));
  for (let i = 0; i < 6_000; i++)
    runs.take(event({ link: `https://github.com/acme/x/actions/runs/${i}`, status: "in_progress" }));
  assert.ok(![...runs.byKey.keys()].some((key) => key.includes("/runs/77")));
});

test("of more jobs than are kept the failed ones stay", () => {
  const jobs = Array.from({ length: 620 }, (_, n) => job(n, n === 0 ? "failure" : "success", 2 + n / 1_000));
  const runs = of(run("in_progress", 0), ...jobs);
  assert.deepEqual(failures(runs), ["workflow_run check_run failure 1 of 500 jobs failed so far"]);
});

test("an agent that says again that it failed has failed once", () => {
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
  const told = [
    ping(1),
    ping(2),
    ping(3, { status: "in_progress" }),
    ping(4),
    ping(5, { kind: "ping.lost" }),
  ];
  assert.deepEqual(
    told.map((event) => runs.take(event) !== null),
    [true, false, false, true, true],
  );
  assert.equal(runs.failures(NOW, NONE).length, 1);
});
