import assert from "node:assert/strict";
import { test } from "node:test";
import { auditRow, connectionFacts, toAudit } from "../../app/casts/audit.js";
import { costOf, lastStep, lengthOf, nameOf, percentOf, runAddress, userOf } from "../../app/casts/facts.js";
import { stateOf } from "../../app/casts/parts.js";
import { CastRows, renew } from "../../app/casts/rows.js";

const OPENED = "2026-01-02T03:04:05.000Z";
const STARTED = "2026-01-02T03:04:10.000Z";
const LATER = "2026-01-02T03:04:20.000Z";

/** @param {string} id @param {object} [more] @returns {any} */
const cast = (id, more = {}) => ({
  id,
  status: "queued",
  attempt: 1,
  owner: "ann",
  spell: null,
  repository: null,
  runId: null,
  vtid: null,
  startedAt: null,
  finishedAt: null,
  duration: null,
  costCents: null,
  artifactUrl: null,
  errorMessage: null,
  createdAt: OPENED,
  updatedAt: OPENED,
  ...more,
});

/** @param {string} castId @param {object} more @returns {any} */
const update = (castId, more) => ({ event: "status", id: 1, castId, timestamp: STARTED, ...more });

test("a cast without a spell is named by its id", () => {
  assert.equal(nameOf(cast("a", { spell: { name: "build" } })), "build");
  for (const spell of [null, { name: "" }, { name: " " }, { name: 7 }, {}])
    assert.equal(nameOf(cast("a", { spell })), "a");
});

test("a running cast has run since its start, and an ended cast has its duration", () => {
  const now = Date.parse(LATER);
  assert.equal(lengthOf(cast("a"), now), null);
  assert.equal(lengthOf(cast("a", { status: "running", startedAt: STARTED }), now), "10 s");
  assert.equal(lengthOf(cast("a", { status: "running" }), now), null);
  assert.equal(lengthOf(cast("a", { status: "failed", startedAt: STARTED }), now), null);
  assert.equal(lengthOf(cast("a", { status: "succeeded", duration: 0 }), now), "0 ms");
  assert.equal(lengthOf(cast("a", { status: "succeeded", duration: 61_000 }), now), "1 m 01 s");
});

test("the last step is the opening, the start or the end", () => {
  assert.deepEqual(lastStep(cast("a")), ["opened", OPENED]);
  assert.deepEqual(lastStep(cast("a", { status: "running", startedAt: STARTED })), ["started", STARTED]);
  const ended = { status: "failed", startedAt: STARTED, finishedAt: LATER };
  assert.deepEqual(lastStep(cast("a", ended)), ["ended", LATER]);
});

test("only a cast with a valid repository and run links to GitHub", () => {
  assert.equal(
    runAddress({ repository: "acme/gate.way", runId: "123" }),
    "https://github.com/acme/gate.way/actions/runs/123",
  );
  for (const [repository, runId] of [
    [null, "1"],
    ["acme/gateway", null],
    ["acme", "1"],
    ["acme/a/b", "1"],
    ["acme/a?", "1"],
    ["acme/gateway", "1/../.."],
  ])
    assert.equal(runAddress(/** @type {any} */ ({ repository, runId })), null);
});

test("a cost is shown in whole units, and a progress as a whole number from 0 to 100", () => {
  assert.match(costOf(1_234), /^12[.,]34$/);
  assert.match(costOf(5), /^0[.,]05$/);
  assert.deepEqual([null, -1, 0, 39.6, 100, 250].map(percentOf), [null, 0, 0, 40, 100, 100]);
});

test("an example has the user of the token only if the user is safe in a shell", () => {
  const token = (/** @type {object} */ claims) =>
    `x.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.y`;
  assert.equal(userOf(token({ sub: "ann@example.com" })), "ann@example.com");
  for (const one of [undefined, "oak_an-api-key", "a.b.c", token({}), token({ sub: "a'; rm -rf ~ '" })])
    assert.equal(userOf(one), null, String(one));
});

test("the list keeps the progress, and a later state of the stream, when it is read again", () => {
  const rows = new CastRows();
  rows.take([cast("b"), cast("a")]);
  assert.equal(rows.update([update("a", { status: "running", startedAt: STARTED })]), true);
  const progress = { event: "progress", progress: 40, message: "half", timestamp: LATER };
  assert.equal(rows.update([update("a", progress)]), false, "progress is no reason to read the list");
  // The query was answered before the start.
  rows.take([cast("b"), cast("a", { runId: "7" })]);
  assert.deepEqual(
    rows.all.map(({ id, status, progress, runId }) => [id, status, progress, runId]),
    [
      ["b", "queued", null, null],
      ["a", "running", 40, "7"],
    ],
  );
  const second = cast("a", { attempt: 2, startedAt: LATER, status: "running", updatedAt: LATER });
  rows.take([second]);
  assert.equal(rows.all[0]?.progress, null, "the progress of an attempt is no progress of the next one");
});

test("a cast that the list lacks is news once, and keeps its early progress", () => {
  const rows = new CastRows();
  rows.take([cast("a")]);
  const begun = update("b", { status: "running", startedAt: STARTED });
  assert.equal(rows.update([begun]), true);
  assert.equal(rows.update([begun, update("b", { event: "progress", progress: 5, message: null })]), false);
  rows.take([cast("b", { status: "running", startedAt: STARTED, updatedAt: LATER }), cast("a"), cast("a")]);
  assert.deepEqual(
    rows.all.map(({ id, progress }) => [id, progress]),
    [
      ["b", 5],
      ["a", null],
    ],
  );
  assert.deepEqual(renew(cast("a"), null), { ...cast("a"), progress: null, message: null });
});

test("the state of the connection has a word and an icon", () => {
  const words = (/** @type {object} */ stream, more = {}) =>
    stateOf(/** @type {any} */ ({ isOver: false, refusal: null, stream, ...more }), 1_000);
  assert.deepEqual(words({ state: "connecting" }), ["queued", "connecting"]);
  assert.deepEqual(words({ state: "live", transport: "sse" }), ["working", "live"]);
  assert.deepEqual(words({ state: "live", transport: "poll" }), ["working", "live, polling"]);
  assert.deepEqual(words({ state: "reconnecting", retryAt: 3_500 }), ["late", "reconnecting in 3 s"]);
  assert.deepEqual(words({ state: "reconnecting", retryAt: null }), ["late", "reconnecting"]);
  assert.deepEqual(words({ state: "offline" }), ["lost", "not connected"]);
  assert.deepEqual(words({ state: "offline" }, { isOver: true }), ["stopped", "ended"]);
  assert.deepEqual(words({ state: "offline" }, { refusal: {} }), ["lost", "not connected"]);
});

test("each row of the audit log is put into words", () => {
  const row = (/** @type {object} */ more) =>
    auditRow(/** @type {any} */ ({ id: 1, createdAt: OPENED, ...more }));
  assert.deepEqual(row({ action: "cast.sse_connection_opened" }), {
    sign: "working",
    word: "opened",
    details: "",
  });
  const closed = { action: "cast.sse_connection_closed", reason: "client_disconnect" };
  assert.equal(
    row({ ...closed, duration: 1_500, messages: 1 }).details,
    "client disconnect, after 1 s, 1 event",
  );
  assert.equal(row({ ...closed, reason: "lost", messages: null }).details, "lost");
  const refused = { action: "cast.sse_connection_failed" };
  assert.equal(
    row({ ...refused, status: 403, code: "FORBIDDEN", path: "/api/casts/a/events" }).details,
    "403 FORBIDDEN, /api/casts/a/events",
  );
  assert.equal(row({ ...refused, count: 17 }).details, "17 more refusals in a minute");
  assert.equal(row({ action: "cast.other_thing" }).word, "other thing");
});

test("the summary of the audit log is put into words", () => {
  assert.deepEqual(
    connectionFacts({
      open: { streams: 1, users: 1 },
      opened: { streams: 1_200, users: 3 },
      refused: 1,
      duration: { median: 12_000, average: 95_000 },
      reasons: [
        { reason: "terminal_state", streams: 1_100 },
        { reason: "", streams: 2 },
      ],
      complete: false,
    }),
    [
      ["Open now", "1 stream of 1 user"],
      ["Begun", "1,200 streams of 3 users"],
      ["Ended", "1,100 terminal state, 2 unknown"],
      ["Refused", "1 request"],
      ["Duration", "median 12 s, average 1 m 35 s"],
      ["Incomplete", "only the newest rows of the log are counted"],
    ],
  );
  const nothing = connectionFacts({ duration: { median: null, average: null }, reasons: "none" });
  assert.deepEqual(nothing, [
    ["Open now", "0 streams of 0 users"],
    ["Begun", "0 streams of 0 users"],
    ["Ended", "none"],
    ["Refused", "0 requests"],
  ]);
});

test("a page of the audit log that has another form has no rows", () => {
  assert.deepEqual(toAudit({ rows: [{ id: 2 }], next: 2 }), { rows: [{ id: 2 }], next: 2 });
  for (const body of [null, [], "x", {}, { rows: 1, next: "x" }])
    assert.deepEqual(toAudit(body), { rows: [], next: null });
});
