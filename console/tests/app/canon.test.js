// Tests how the page reads the report of work without a task.

import assert from "node:assert/strict";
import { test } from "node:test";
import { share, sum, toReport } from "../../app/canon/report.js";

test("an answer is read, and values of another type count as absent", () => {
  const none = { total: 0, without: 0 };
  const empty = { runs: none, deploys: none, agents: none };
  for (const body of [null, [], "x", {}, { runs: 1, trend: {}, worst: [null, 1] }])
    assert.deepEqual(toReport(body), { days: 0, counts: empty, trend: [], worst: [], complete: false });
  const count = { total: 4, without_task: 1 };
  const report = toReport({
    days: 30,
    runs: count,
    agents: { total: -1, without_task: "1" },
    trend: [{ day: "2026-01-01", deploys: count }],
    worst: [
      { work: "runs", name: "acme/shop", ...count, newest: 7 },
      { work: "cakes", name: "x", ...count },
    ],
    complete: true,
  });
  assert.deepEqual(report.counts, { ...empty, runs: { total: 4, without: 1 } });
  assert.deepEqual(report.trend, [
    { day: "2026-01-01", counts: { ...empty, deploys: { total: 4, without: 1 } } },
  ]);
  assert.equal(report.worst.length, 1);
  assert.equal(report.worst[0]?.newest, 7);
});

test("the share of work with a task is 100 % only if all work has one", () => {
  assert.equal(share({ total: 0, without: 0 }), "–");
  assert.equal(share({ total: 3, without: 0 }), "100 %");
  assert.equal(share({ total: 1_000, without: 1 }), "99 %");
  assert.equal(share({ total: 2, without: 2 }), "0 %");
  const count = { total: 2, without: 1 };
  assert.deepEqual(sum({ runs: count, deploys: count, agents: count }), { total: 6, without: 3 });
});
