// Tests a client in the wild that follows a cast in a browser: a native EventSource with a session cookie.
// The client reads only named events, treats `complete` as the end, and reconnects by itself, 5 s after an
// error and at most ten times. A relay between the page and the gateways counts the connections.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CASTS, change, ENV, mint, openCast } from "./casts.js";
import { stays } from "./react-stage.js";
import { Relay } from "./relay.js";
import { open, until } from "./stack.js";
import { stage } from "./stage.js";

/** How long a connection may last, in seconds. Only one test lasts so long. */
const LIMIT = 25;
const { stack, browser } = await stage({ ...ENV, CAST_STREAM_LIMIT: `${LIMIT}s` });
const options = { timeout: 180_000 };

let casts = 0;
/** Opens a cast of the user `ann` that no other test uses. */
async function newCast(status) {
  const id = `cast-${casts++}`;
  await openCast(stack, "ann", id);
  if (status) await change(stack, id, { status });
  return id;
}

/**
 * The client. Runs in the page.
 *
 * @param {{ address: string, pause: number }} settings
 */
function listen({ address, pause }) {
  const seen = { statuses: [], events: [], status: null, connects: 0, over: false, faults: [] };
  globalThis.seen = seen;
  let tries = 0;
  let source = null;
  const connect = () => {
    seen.connects += 1;
    source = new EventSource(address);
    source.onopen = () => {
      tries = 0;
    };
    source.onmessage = ({ data }) => seen.faults.push(`unnamed: ${data}`);
    const on = (name, work) =>
      source.addEventListener(name, ({ data }) => {
        // A broken connection is also an event `error`, but it has no data.
        if (data === undefined) return;
        const value = JSON.parse(data);
        seen.events.push(name);
        if (value.status) seen.status = value.status;
        work?.(value);
      });
    on("status", ({ status }) => seen.statuses.push(status));
    on("progress");
    on("complete", () => {
      seen.over = true;
      source.close();
    });
    source.onerror = () => {
      source.close();
      if (seen.over || tries >= 10) return;
      tries += 1;
      setTimeout(connect, pause);
    };
  };
  connect();
}

/** The gateway accepts a token for this time after its `exp`, in seconds, because clocks differ. */
const LEEWAY = 30;

/** @param {number} seconds For how long the gateway accepts the session. */
const session = (seconds) => ({
  name: "oasis_session",
  value: mint("ann", seconds - LEEWAY),
  domain: "127.0.0.1",
  path: "/",
  expires: -1,
  httpOnly: true,
  secure: false,
  sameSite: "Lax",
});

/**
 * Opens a page with a client that follows a cast.
 *
 * @param {string} id
 * @param {{ seconds?: number, pause?: number, query?: string, target?: string }} [settings] For how long the
 *   session is valid, the pause before the client reconnects, the query of the stream, and the gateway. With
 *   a query, there is no session.
 */
async function wild(id, { seconds = 3_600, pause = 5_000, query = "", target = stack.url } = {}) {
  const relay = await Relay.start(target);
  after(() => relay.cut().catch(() => {}));
  const cookies = query ? [] : [session(seconds)];
  const { page, faults, close } = await open(browser, `${relay.url}/health`, {
    storageState: { cookies, origins: [] },
  });
  const stream = `${CASTS}/${id}/events`;
  await page.evaluate(listen, { address: `${relay.url}${stream}${query}`, pause });
  const seen = () => page.evaluate(() => globalThis.seen);
  return {
    relay,
    seen,
    stream,
    close,
    signIn: () => page.context().addCookies([session(3_600)]),
    connects: (least) => until(async () => (await seen()).connects >= least, `${least} connects`, 60_000),
    follows: () => until(async () => (await seen()).status !== null, "the stream has begun"),
    /** Waits until the client knows the end, and checks that it does not connect again. */
    async ends(status, connects) {
      await until(async () => (await seen()).over, "the client knows the end");
      await stays(() => relay.open(CASTS), 0, "no connection is open");
      const { connects: made, status: last, faults: wrong, events, statuses } = await seen();
      if (connects) assert.equal(made, connects);
      await stays(async () => (await seen()).connects, made, "no further attempt", 7_000);
      assert.deepEqual([last, wrong, events.at(-1), faults], [status, [], "complete", []]);
      const order = ["queued", "running", status];
      assert.deepEqual(
        statuses,
        statuses.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)),
      );
      await close();
    },
  };
}

test("a client in the wild sees a success", options, async () => {
  const id = await newCast();
  const { follows, seen, ends } = await wild(id);
  await follows();
  await change(stack, id, { status: "running", progress: 40 });
  await until(async () => (await seen()).events.includes("progress"), "progress arrives");
  await change(stack, id, { status: "completed", artifactUrl: "https://example.com/a" });
  await ends("succeeded", 1);
});

for (const status of ["failed", "cancelled"]) {
  test(`a client in the wild sees ${status}, with at most two connects`, options, async () => {
    const id = await newCast("running");
    const { follows, ends } = await wild(id);
    await follows();
    await change(stack, id, { status, errorMessage: "no" });
    await ends("failed", 2);
  });
}

for (const status of ["succeeded", "failed"]) {
  test(`a client in the wild finds a cast that has ${status} before`, options, async () => {
    const id = await newCast(status);
    const { ends } = await wild(id, { query: `?token=${mint("ann")}` });
    await ends(status, 1);
  });

  test(`a client in the wild finds a cast that has ${status} meanwhile`, options, async () => {
    const id = await newCast("running");
    const { relay, follows, ends } = await wild(id);
    await follows();
    await relay.cut();
    await change(stack, id, { status });
    await relay.join();
    await ends(status, 2);
  });
}

test("a client in the wild continues after the time limit of a connection", options, async () => {
  const id = await newCast("running");
  const { connects, follows, ends } = await wild(id);
  const began = Date.now();
  await follows();
  await connects(2);
  assert.ok(Date.now() - began >= LIMIT * 1_000);
  await change(stack, id, { status: "succeeded" });
  await ends("succeeded", 2);
});

test("a client in the wild continues at another gateway after its gateway was killed", options, async () => {
  const id = await newCast("running");
  const other = await stack.gateway();
  after(() => other.stop("SIGKILL"));
  const { relay, follows, ends } = await wild(id, { target: other.url });
  await follows();
  await other.stop("SIGKILL");
  relay.target = stack.url;
  await change(stack, id, { status: "failed", errorMessage: "no" });
  await ends("failed", 2);
});

test("a client in the wild whose session expires finds the end after a new login", options, async () => {
  const id = await newCast("running");
  const { connects, follows, signIn, ends } = await wild(id, { seconds: 8 });
  await follows();
  // The stream has ended with the session, and the next connection is refused.
  await connects(2);
  await change(stack, id, { status: "failed", errorMessage: "no" });
  await signIn();
  await ends("failed");
});

test("a client in the wild gives up ten attempts after its session has expired", options, async () => {
  const id = await newCast("running");
  const { connects, relay, stream, follows, seen, close } = await wild(id, { seconds: 4, pause: 250 });
  await follows();
  await connects(11);
  await stays(() => relay.requests(stream), 11, "no further attempt", 3_000);
  assert.deepEqual([(await seen()).status, (await seen()).over], ["running", false]);
  await close();
});
