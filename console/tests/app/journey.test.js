import assert from "node:assert/strict";
import { test } from "node:test";
import { manyOf, toRows, toScale } from "../../app/axis.js";
import { lengthOf } from "../../app/chart.js";
import { toItems, toMilestones } from "../../app/journey.js";
import { MINUTES, Rate } from "../../app/rate.js";

const START = Date.parse("2026-01-02T03:00:00.000Z");
let ids = 0;

/**
 * @param {number} second
 * @param {string} kind
 * @param {string} status
 * @param {object} [more]
 */
const event = (second, kind, status, more = {}) =>
  /** @type {import("../../app/event.js").AnyEvent} */ (
    /** @type {unknown} */ ({
      id: ++ids,
      ts: new Date(START + second * 1_000).toISOString(),
      vtid: "DEV-CICDL-0031",
      module: "CORE",
      source: "github.actions",
      kind,
      status,
      link: `https://github.com/acme/x/${kind}`,
      ...more,
    })
  );

const STORY = [
  event(0, "push", "info"),
  event(10, "pull_request", "info"),
  event(12, "workflow_run", "queued", { link: "https://github.com/acme/x/actions/runs/1" }),
  event(20, "workflow_run", "in_progress", { link: "https://github.com/acme/x/actions/runs/1" }),
  event(50, "workflow_run", "failure", { link: "https://github.com/acme/x/actions/runs/1" }),
  event(60, "workflow_run", "queued", { link: "https://github.com/acme/x/actions/runs/1/attempts/2" }),
  event(90, "workflow_run", "success", { link: "https://github.com/acme/x/actions/runs/1/attempts/2" }),
  event(7_200, "pull_request", "success"),
  event(7_260, "deploy", "in_progress", { source: "gcp.deploy" }),
  event(7_300, "deploy", "success", { source: "gcp.deploy" }),
];
const NOW = START + 7_400_000;

test("each attempt has a separate bar, and an event without a duration is a point", () => {
  const items = toItems([...STORY].reverse(), NOW);
  assert.deepEqual(
    items.map(({ lane, point, attempt, event }) => [lane, point, attempt, event.status]),
    [
      ["code", true, 0, "info"],
      ["code", true, 0, "info"],
      ["checks", false, 1, "failure"],
      ["checks", false, 2, "success"],
      ["code", true, 0, "success"],
      ["deploys", false, 0, "success"],
    ],
  );
});

test("the steps of a task are in order, and each step has the time since the previous step", () => {
  const steps = toMilestones(toItems(STORY, NOW));
  assert.deepEqual(
    steps.map(({ name, gap }) => [name, gap && gap / 1_000]),
    [
      ["First push", null],
      ["PR opened", 10],
      ["Checks green", 80],
      ["Merged", 7_110],
      ["Deployed", 100],
    ],
  );
});

test("the axis is monotonic, contains every item, and shortens long pauses", () => {
  const items = toItems(STORY, NOW);
  const { scale, parts, from, to } = toScale(items, NOW);
  assert.deepEqual([scale(from), scale(to)], [0, 1]);
  assert.ok(parts.some((part) => part.folded && part.width < 0.1));
  let last = 0;
  for (let at = from; at <= to; at += (to - from) / 500) {
    assert.ok(scale(at) >= last && scale(at) <= 1);
    last = scale(at);
  }
  assert.ok(scale(START + 90_000) > 0.3, "two minutes stay visible next to two hours");
});

test("the words for the length of a bar include the time in the queue", () => {
  const link = "https://github.com/acme/x/actions/runs/9";
  /** @param {[number, string][]} states */
  const words = (...states) => {
    const events = states.map(([second, status]) => event(second, "workflow_run", status, { link }));
    const [item] = toItems(events, START + 32_000);
    assert.ok(item);
    return lengthOf(item, START + 32_000);
  };
  assert.equal(words([0, "queued"], [22, "in_progress"], [32, "success"]), "22 s queued + 10 s");
  assert.equal(words([22, "in_progress"], [32, "success"]), "10 s");
  assert.equal(words([22, "queued"]), "10 s", "the run still waits");
});

test("simulated events, which have no id, have bars and points of their own", () => {
  const story = STORY.map((one) => ({ ...one, id: null }));
  const items = toItems(story, NOW);
  assert.equal(items.length, 6);
  assert.equal(new Set(items.map(({ key }) => key)).size, 6);
});

test("no bar covers another bar or its label", () => {
  const many = Array.from({ length: 80 }, (_, i) =>
    event(i * 3, "check_run", "success", {
      link: `https://github.com/acme/x/actions/runs/1/job/${i}`,
      meta: { name: `check ${i % 7}` },
    }),
  );
  const items = toItems([...STORY, ...many], NOW);
  const { scale } = toScale(items, NOW);
  const rows = toRows(items, scale, NOW, () => 0.1);
  for (const a of rows) {
    for (const b of rows) {
      if (a === b || a.row !== b.row) continue;
      const [left, right] = a.left <= b.left ? [a, b] : [b, a];
      const label = (/** @type {typeof left} */ one) => (one.labelled ? 0.1 : 0);
      const end = left.flip ? left.right : Math.max(left.right, left.left + label(left));
      const begin = right.flip ? Math.min(right.left, right.right - label(right)) : right.left;
      assert.ok(end <= begin + 1e-9);
    }
  }
});

test("many runs with the same name share a row, and a label without room is left out", () => {
  const end = START + 3_700_000;
  const runs = Array.from({ length: 60 }, (_, i) => {
    const more = {
      link: `https://github.com/acme/x/actions/runs/${i}`,
      meta: { name: i % 2 ? "CI" : "Lint" },
    };
    return [
      event(i * 60, "workflow_run", "in_progress", more),
      event(i * 60 + 40, "workflow_run", "success", more),
    ];
  });
  const one = event(4_000, "check_run", "success", { meta: { name: "one" } });
  const items = toItems([...runs.flat(), one], end);
  const many = manyOf(items);
  assert.deepEqual([...many].sort(), ["checks CI", "checks Lint"]);
  const { scale, parts } = toScale(items, end, 0.1);
  assert.equal(scale(START), 0.1, "the inset leaves room for the names");
  assert.ok(Math.abs((parts.at(-1)?.at ?? 0) + (parts.at(-1)?.width ?? 0) - 1) < 1e-9);
  /** @param {number} label */
  const rowsWith = (label) => toRows(items, scale, end, () => label, many, 0.001);
  assert.deepEqual(
    [...new Set(rowsWith(0.1).map(({ item, name, row }) => `${item.name}/${name} ${row}`))].sort(),
    ["CI/CI 1", "Lint/Lint 0", "one/ 2"],
  );
  assert.equal(
    rowsWith(0.1).filter(({ labelled, name }) => labelled && name).length,
    2,
    "only the last label of a row has room",
  );
  assert.ok(
    rowsWith(0.015).every(({ labelled }) => labelled),
    "every label has room",
  );
});

test("an agent's bar ends when its pings stop", () => {
  const ping = (/** @type {number} */ second, /** @type {string} */ status) =>
    event(second, "ping", status, { source: "agent.ping", module: "PLANNER" });
  const one = toItems([ping(0, "in_progress"), ping(60, "in_progress"), ping(90, "info")], START + 100_000);
  assert.deepEqual(
    one.map(({ from, to }) => [from, to]),
    [[START, START + 90_000]],
  );
  assert.equal(toItems([ping(0, "in_progress")], START + 60_000)[0]?.to, null);
  assert.equal(toItems([ping(0, "in_progress")], START + 3_600_000)[0]?.to, START);
});

test("minutes before the first count are unknown, not empty", () => {
  const rate = new Rate();
  rate.completeSince(START);
  rate.add(START, 5);
  rate.add(START + 60_000, 7);
  const minutes = rate.minutes(START + 60_000);
  assert.deepEqual([minutes.length, minutes.at(-1), minutes.at(-2), minutes[0]], [MINUTES, 7, 5, null]);
  for (let i = 0; i < 100_000; i++) rate.add(START + i * 60_000);
  assert.equal(rate.perMinute(START + 99_999 * 60_000 + 59_999), 1);
});
