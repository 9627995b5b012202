// Tests the hooks for casts in a browser, with React 18 and with React 19. A relay between the page and the
// gateway counts the connections.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CASTS, change, ENV, mint, openCast } from "./casts.js";
import { serve, show, stays, VERSIONS } from "./react-stage.js";
import { Relay } from "./relay.js";
import { until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const options = { timeout: 180_000 };
const pages = new Map();
for (const version of VERSIONS) pages.set(version, await serve("casts-page.js", version));

let casts = 0;
/** Opens a cast that no other test uses. */
async function newCast(owner, status) {
  const id = `cast-${casts++}`;
  await openCast(stack, owner, id);
  if (status) await change(stack, id, { status });
  return id;
}

async function relayed() {
  const relay = await Relay.start(stack.url);
  after(() => relay.cut().catch(() => {}));
  return relay;
}

/** Runs a test with each version of React. Each test has a user and a relay of its own. */
function each(name, work) {
  for (const version of VERSIONS) {
    test(`React ${version}: ${name}`, options, async () => {
      const relay = await relayed();
      const user = `user-${version}-${casts++}`;
      const shown = await show(browser, pages.get(version), { url: relay.url, token: mint(user) });
      const { page } = shown;
      const text = (selector) => page.locator(selector).textContent();
      await work({
        ...shown,
        relay,
        user,
        sees: (selector, expected) =>
          until(async () => (await text(selector)) === expected, `${selector} shows ${expected}`),
        handled: () => page.evaluate(() => globalThis.handled),
      });
      assert.deepEqual(shown.faults, []);
      await shown.close();
    });
  }
}

each("components of a cast share one connection, which ends with the cast", async (context) => {
  const { configure, inState, relay, user, sees, handled, views } = context;
  const id = await newCast(user);
  const stream = `${CASTS}/${id}/events`;
  await configure({ views: [id, id, id], status: id });
  await inState("connected");
  await sees("#status", "queued");
  await change(stack, id, { status: "running", progress: 40, message: "half" });
  await sees(".view:nth-of-type(3) p", "running 40 half null");
  await change(stack, id, { status: "succeeded" });
  await inState("over");
  await sees("#status", "succeeded");
  assert.equal(await views.first().getAttribute("data-last"), "complete");
  assert.match(await views.first().getAttribute("data-update"), /^\d{4}-\d\d-\d\dT/);
  await until(async () => (await handled()).length === 21, "each handler is called");
  for (const name of [0, 1, 2])
    assert.deepEqual(
      (await handled()).filter(([one]) => one === name).map(([, ...call]) => call.join()),
      [
        "connection,true",
        "status,queued",
        "progress,40",
        "status,running",
        "status,succeeded",
        "complete,succeeded",
        "connection,false",
      ],
    );
  await stays(() => relay.requests(stream), 1, "one connection, and none after the end", 7_000);
});

each("a failure is an error, and no attempt follows", async (context) => {
  const { configure, inState, relay, user, sees, handled } = context;
  const id = await newCast(user, "running");
  const stream = `${CASTS}/${id}/events`;
  await configure({ views: [id] });
  await inState("connected");
  await change(stack, id, { status: "cancelled", errorMessage: "no space" });
  await sees(".view p", "failed null null no space");
  await stays(() => relay.requests(stream), 1, "one connection", 7_000);
  const ends = (await handled()).filter(([, kind]) => kind === "complete" || kind === "error");
  assert.deepEqual(ends, [[0, "error", "failed"]]);
});

each("an end while the connection is lost is found", async (context) => {
  const { configure, inState, relay, user, sees, handled } = context;
  const id = await newCast(user, "running");
  await configure({ views: [id], list: true });
  await inState("connected");
  await sees("#list", `the spell of ${id}: running 1 null`);
  await relay.cut();
  await inState("failed");
  await change(stack, id, { status: "failed", errorMessage: "no space" });
  await relay.join();
  await sees(".view p", "failed null null no space");
  await sees("#list", `the spell of ${id}: failed 1 null`);
  assert.deepEqual(
    (await handled()).filter(([, kind]) => kind === "complete" || kind === "error"),
    [[0, "error", "failed"]],
  );
  const tries = relay.requests(`${CASTS}/${id}/events`);
  await stays(() => relay.requests(`${CASTS}/${id}/events`), tries, "no attempt follows", 3_000);
});

each("a cast that has ended, a cast of another user, and no cast", async (context) => {
  const { configure, inState, relay, user, sees, views } = context;
  const id = await newCast(user, "failed");
  await configure({ views: [id] });
  await inState("over");
  await sees(".view p", "failed null null null");
  const strange = await newCast("someone-else");
  for (const [other, code] of [
    [strange, "FORBIDDEN"],
    ["missing", "NOT_FOUND"],
  ]) {
    await configure({ views: [other] });
    await inState("failed");
    assert.equal(await views.getAttribute("data-error"), code);
    await stays(() => relay.requests(`${CASTS}/${other}/events`), 1, "no attempt follows", 2_000);
  }
});

each("a poll follows a cast to its end, and then no request follows", async (context) => {
  const { page, configure, relay, user, sees } = context;
  const id = await newCast(user);
  await configure({ polled: id });
  await sees("#polled", "queued");
  await change(stack, id, { status: "running" });
  await sees("#polled", "running");
  await change(stack, id, { status: "succeeded" });
  await sees("#polled", "succeeded");
  const polls = relay.requests(CASTS);
  await stays(() => relay.requests(CASTS), polls, "no request follows", 3_000);
  assert.equal(relay.requests(`${CASTS}/${id}/events`), 0);
  await configure({ polled: "missing" });
  await page.locator('#polled[data-error="NOT_FOUND"]').waitFor({ state: "attached" });
  await stays(() => relay.requests(`${CASTS}/missing`), 1, "a refusal is final", 3_000);
});

each("if a proxy holds streams back, polls find the end", async (context) => {
  const { configure, inState, relay, user, sees, handled } = context;
  const id = await newCast(user);
  relay.mode = "hold";
  await configure({ views: [id], list: true });
  await sees(".view p", "queued null null null");
  await sees("#list", `the spell of ${id}: queued 1 null`);
  await change(stack, id, { status: "failed", errorMessage: "no space" });
  await inState("over");
  await sees(".view p", "failed null null no space");
  await sees("#list", `the spell of ${id}: failed 1 null`);
  const ends = (await handled()).filter(([, kind]) => kind === "complete" || kind === "error");
  assert.deepEqual(ends, [[0, "error", "failed"]]);
  const reads = relay.requests(`${CASTS}/${id}`);
  await stays(() => relay.requests(`${CASTS}/${id}`), reads, "no request follows", 6_000);
});

each("the list of casts is live", async (context) => {
  const { page, configure, relay, user } = context;
  const first = await newCast(user, "succeeded");
  await configure({ list: true, limit: 2 });
  const shows = (...expected) =>
    until(
      async () =>
        (await page.locator("#list li").allTextContents()).join() ===
        expected.map(([id, rest]) => `the spell of ${id}: ${rest}`).join(),
      `the list shows ${expected}`,
    );
  await shows([first, "succeeded 1 null"]);
  const second = await newCast(user);
  await shows([second, "queued 1 null"], [first, "succeeded 1 null"]);
  await change(stack, second, { status: "running", progress: 40 });
  await shows([second, "running 1 40"], [first, "succeeded 1 null"]);
  await change(stack, first, { status: "running", runAttempt: 2 });
  await shows([second, "running 1 40"], [first, "running 2 null"]);
  await relay.cut();
  await page.locator('#list[data-connected="false"]').waitFor();
  await shows([second, "running 1 40"], [first, "running 2 null"]);
  await change(stack, first, { status: "failed" });
  const third = await newCast(user);
  await relay.join();
  await shows([third, "queued 1 null"], [second, "running 1 40"]);
  assert.equal(await page.locator("#list").getAttribute("data-total"), "3");
  await configure({ token: mint("nobody") });
  await shows();
});
