import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { createElement as h } from "react";
import { renderToString } from "react-dom/server";

import { castStream, KEPT, ownCasts, toRowHandlers } from "../../react/cast-stream.js";
import * as casts from "../../react/casts.js";
import { SSEProvider } from "../../react/index.js";
import { Server } from "../client/server.js";
import { source, watch } from "./source.js";

const options = { timeout: 60_000 };
const AT = "2026-01-02T03:04:05.000Z";
const FIELDS = {
  status: "queued",
  startedAt: null,
  finishedAt: null,
  duration: null,
  costCents: null,
  artifactUrl: null,
  errorMessage: null,
};

const frame = (event, data, id) => {
  const text = JSON.stringify({ castId: "site-1", timestamp: AT, ...data });
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${text}\n\n`;
};
const whole = (id, more) => frame("status", { ...FIELDS, ...more }, id);
const close = `event: close\ndata: {"message":"ended","reason":"terminal_state"}\n\n`;
const failure = (id) =>
  frame("status", { status: "failed", errorMessage: "no space" }) +
  frame("error", { status: "failed" }, id) +
  close;

/** The source of a cast's stream, as the hooks describe it. */
const of = (url, { name: _, ...stream } = castStream("site-1"), more = {}) => ({
  ...source(url, more),
  ...stream,
});

/** Handlers of a page that record their calls. */
function recorded() {
  const calls = [];
  const handlers = {};
  for (const name of ["onStatus", "onProgress", "onComplete", "onError"])
    handlers[name] = ({ id, cast, errorMessage }) => calls.push([name, id, cast.status, errorMessage]);
  return { calls, max: KEPT, ...toRowHandlers(handlers) };
}

test("handlers get each event once and in order, and no attempt follows the end", options, async (t) => {
  const server = await Server.start(t);
  const page = recorded();
  const one = watch(t, of(server.url), page);
  const { response } = await server.stream(whole(7));
  await one.until(({ connected, rows }) => connected && rows.length === 1);
  response.write(frame("status", { status: "running", startedAt: AT }, 8));
  response.write(frame("progress", { progress: 40, message: "half" }, 9) + failure(10));
  await one.until(({ reason }) => reason === "done");
  assert.deepEqual(page.calls, [
    ["onStatus", 7, "queued", null],
    ["onStatus", 8, "running", undefined],
    ["onProgress", 9, "running", undefined],
    ["onStatus", null, "failed", "no space"],
    ["onError", 10, "failed", "no space"],
  ]);
  const { rows, error, connecting } = one.view.snapshot;
  const { cast } = rows.at(-1);
  assert.deepEqual([cast.status, cast.startedAt, cast.progress, cast.id], ["failed", AT, 40, "site-1"]);
  assert.deepEqual([error, connecting, server.count], [null, false, 1]);
  one.view.reconnect();
  assert.equal((await server.refuse(204)).cursor, "10");
  await one.until(({ reason }) => reason === "done");
  assert.equal(page.calls.length, 5);
});

test("an end in the past of a failed cast is an error", options, async (t) => {
  const server = await Server.start(t);
  const page = recorded();
  const one = watch(t, of(server.url), page);
  const failed = { status: "failed", errorMessage: "no space" };
  await server.stream(whole(undefined, failed) + frame("complete", { status: "failed" }, 8) + close);
  await one.until(({ reason }) => reason === "done");
  assert.deepEqual(page.calls, [
    ["onStatus", null, "failed", "no space"],
    ["onError", 8, "failed", "no space"],
  ]);
});

test(
  "components of a cast share one connection, and a later one begins with the state",
  options,
  async (t) => {
    const server = await Server.start(t);
    const wanted = of(server.url);
    const first = watch(t, wanted, recorded());
    const { response } = await server.stream(whole(7) + frame("progress", { progress: 40 }, 8));
    await first.until(({ rows }) => rows.length === 2);
    const page = recorded();
    const later = watch(t, wanted, page);
    assert.deepEqual(page.calls, [["onStatus", 8, "queued", null]]);
    assert.equal(later.view.snapshot.rows.at(-1).cast.progress, 40);
    later.unmount();
    response.write(frame("progress", { progress: 50 }, 9) + failure(10));
    await first.until(({ reason }) => reason === "done");
    later.mount();
    assert.deepEqual(
      page.calls.slice(1).map(([name, id]) => [name, id]),
      [
        ["onProgress", 9],
        ["onStatus", null],
        ["onError", 10],
      ],
      "a component that mounts again gets what it missed",
    );
    const last = recorded();
    watch(t, wanted, last);
    assert.deepEqual(
      last.calls.map(([name]) => name),
      ["onStatus", "onError"],
    );
    assert.equal(server.count, 1);
  },
);

test("a newer token of the same user resumes with the state", options, async (t) => {
  const server = await Server.start(t);
  const token = (exp) => `e30.${Buffer.from(JSON.stringify({ sub: "ann", exp })).toString("base64url")}.x`;
  const wanted = (exp) => of(server.url, castStream("site-1"), { stream: "cast", token: token(exp) });
  const one = watch(t, wanted(1), { max: KEPT });
  const first = await server.stream(whole(7, { costCents: 250 }));
  await one.until(({ rows }) => rows.length === 1);
  one.unmount();
  one.mount(wanted(2));
  await once(first.response, "close");
  const second = await server.stream(frame("status", { status: "running" }, 8));
  assert.equal(second.cursor, "7");
  await one.until(({ rows }) => rows.length === 2);
  const { cast } = one.view.snapshot.rows.at(-1);
  assert.deepEqual([cast.status, cast.costCents], ["running", 250]);
});

test("the stream of all casts keeps what it has reported of each cast", options, async (t) => {
  const server = await Server.start(t);
  const one = watch(t, of(server.url, ownCasts()), { max: 1 });
  const { response } = await server.stream("id: 3\n\n");
  await one.until(({ connected }) => connected);
  response.write(whole(4) + frame("status", { castId: "old", status: "running" }, 5));
  await one.until(({ rows }) => rows.at(-1)?.id === 5);
  const before = one.view.snapshot.rows.at(-1).states;
  response.write(frame("complete", { castId: "site-1", status: "succeeded" }, 6));
  await one.until(({ rows }) => rows.at(-1)?.id === 6);
  const { states } = one.view.snapshot.rows.at(-1);
  assert.deepEqual(
    [...states].map(([id, { status }]) => [id, status]),
    [
      ["old", "running"],
      ["site-1", "succeeded"],
    ],
  );
  assert.ok(!("costCents" in states.get("old")), "a field that was not reported is not known");
  assert.equal(before.get("site-1").status, "queued", "a state that was rendered does not change");
});

test("of very many casts, those that changed last are kept", () => {
  const update = (castId) => ({ event: "status", id: 1, castId, timestamp: AT, status: "running" });
  const { fold } = ownCasts();
  const first = fold(
    Array.from({ length: 1_000 }, (_, i) => update(`cast-${i}`)),
    undefined,
  );
  const [row] = fold([update("cast-0"), update("new")], first.at(-1));
  assert.deepEqual(
    [row.states.size, row.states.has("cast-0"), row.states.has("cast-1"), row.states.has("new")],
    [1_000, true, false, true],
  );
});

test("a server renders the hooks without a connection", async (t) => {
  const server = await Server.start(t);
  let shown;
  const Page = () => {
    const { cast, isConnected, lastEvent, lastUpdate, reconnectCount } = casts.useCastEvents({ castId: "a" });
    const { status } = casts.useCastStatus("a");
    const polled = casts.useCastPolling("a");
    const list = casts.useCasts();
    shown = [cast, isConnected, lastEvent, lastUpdate, reconnectCount, status];
    shown.push(polled.isLoading, list.casts, list.isLoading, casts.useCastPolling(null).isLoading);
    return null;
  };
  renderToString(h(SSEProvider, { url: server.url, token: "secret" }, h(Page)));
  assert.deepEqual(shown, [null, false, null, null, 0, null, true, [], true, false]);
  assert.deepEqual([server.count, casts.isSSESupported()], [0, true]);
});

test("without a token, the hooks say what is missing", () => {
  let errors;
  const Page = () => {
    const all = [casts.useCastStatus("a"), casts.useCastPolling("a"), casts.useCasts()];
    errors = all.map(({ error }) => error.code);
    errors.push(casts.useCastEvents({ castId: null }).error);
    return null;
  };
  renderToString(h(Page));
  assert.deepEqual(errors, ["token_missing", "token_missing", "token_missing", null]);
});
