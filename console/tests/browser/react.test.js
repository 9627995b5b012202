// Tests the React package in a browser, with React 18 and with React 19. A relay between the page and the
// gateway counts the connections, and the gateway counts its clients.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { serve, show, stays, VERSIONS } from "./react-stage.js";
import { Relay } from "./relay.js";
import { ENV, emit, mint, STREAM, workload } from "./resources.js";
import { until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const pages = new Map();
for (const version of VERSIONS) pages.set(version, await serve("react-page.js", version));

const VIEWS = [
  { workload_id: ["api", "web"], cluster_id: "eu-1" },
  { cluster_id: ["eu-1"], workload_id: ["web", "api"] },
  { workload_id: "web, api", cluster_id: "eu-1", event_types: [] },
  { project_id: "shop", resource_type: "workload" },
  { resource_type: "workload", project_id: ["shop", "shop"] },
];

/** The number of clients that the gateway counts. */
async function counted() {
  const metrics = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(/^\S*resource_subscribers(?:\{.*\})? (\d+)$/m.exec(metrics)?.[1]);
}

/** Runs a test with each version of React. The test gets a page and a relay of its own. */
function each(name, work) {
  for (const version of VERSIONS) {
    test(`React ${version}: ${name}`, { timeout: 180_000 }, async () => {
      const relay = await Relay.start(stack.url);
      after(() => relay.cut().catch(() => {}));
      const page = pages.get(version);
      const open = (config) => show(browser, page, { url: relay.url, token: mint("alice"), ...config });
      const opened = () => relay.requests(STREAM);
      const current = () => relay.open(STREAM);
      await work({ relay, open, opened, current, page, version });
    });
  }
}

each(
  "ten components with inline filters open one connection per distinct stream, and no more in 60 s",
  async ({ open, opened, current, version }) => {
    const { page, faults, inState, texts, close } = await open({ views: [...VIEWS, ...VIEWS] });
    await inState("connected");
    assert.match(await page.evaluate(() => globalThis.reactVersion), new RegExp(`^${version}\\.`));
    // Two distinct streams of the components, and the stream of the provider.
    await stays(opened, 3, "three connections", 1_000);
    const end = Date.now() + 60_000;
    for (let sent = 0; Date.now() < end; sent++) {
      await emit(stack, workload("api", "Running", { message: `${version}-${sent}` }));
      await until(async () => (await texts()).at(-1) === `${version}-${sent}`, "the event is shown");
      await until(async () => (await texts(9)).at(-1) === `${version}-${sent}`, "all views show the event");
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.deepEqual([opened(), current(), await counted()], [3, 3, 3]);
    }
    const handled = await page.evaluate(() => globalThis.handled);
    assert.equal(new Set(handled.map(String)).size, handled.length, "a handler gets each event once");
    assert.deepEqual(faults, []);
    await close();
  },
);

each("the last component to unmount closes the connection", async ({ open, opened, current, relay }) => {
  const { configure, inState, close } = await open({ views: [...VIEWS, ...VIEWS] });
  await inState("connected");
  await configure({ views: VIEWS.slice(0, 1) });
  await stays(current, 2, "the connections of the rest");
  await configure({ views: [] });
  await stays(current, 1, "the connection of the provider");
  await configure({ views: VIEWS.slice(3) });
  await stays(current, 2, "a new connection");
  assert.equal(opened(), 4);
  await configure({ url: "" });
  await stays(current, 0, "no connection");
  await configure({ url: relay.url });
  await stays(current, 2, "the connections are back");
  await close();
});

each("a new token reopens, logout closes, and login opens", async ({ open, opened, current }) => {
  const { page, configure, inState, texts, close } = await open({ views: VIEWS.slice(0, 1) });
  const stored = () => page.locator("#stored").textContent();
  const logged = [];
  page.on("console", (message) => {
    if (message.text().startsWith("[")) logged.push(message.text());
  });
  await inState("connected");
  await stays(current, 2, "two connections");
  await emit(stack, workload("api", "Running", { message: "before" }));
  await until(async () => (await texts()).at(-1) === "before", "the event is shown");
  await configure({ token: mint("alice", 7_200) });
  await until(async () => opened() === 4, "the new token is used");
  await stays(current, 2, "the connections with the old token are closed");
  await inState("connected");
  await emit(stack, workload("api", "Running", { message: "after" }));
  await until(async () => (await texts()).join() === "before,after", "the events of both tokens are shown");
  await configure({ token: null });
  await stays(current, 0, "logout closes");
  await until(async () => (await counted()) === 0, "the gateway has no client");
  await inState("closed");
  assert.deepEqual([await texts(), await stored()], [[], "0"]);
  await configure({ token: mint("bob") });
  await inState("connected");
  await stays(current, 2, "login opens");
  assert.deepEqual(await texts(), [], "the next user does not see the events of this one");

  const use = (token) =>
    page.evaluate((token) => {
      globalThis.currentToken = token;
    }, token);
  await use(mint("alice"));
  await configure({ asks: true });
  await inState("connected");
  await emit(stack, workload("api", "Running", { message: "of alice" }));
  await until(async () => (await texts()).at(-1) === "of alice", "the event is shown");
  const before = opened();
  await use(mint("bob"));
  await configure({ asks: false, token: null });
  await configure({ asks: true });
  await until(
    async () => opened() === before + 2,
    "another user gets connections of their own, even at once",
  );
  await inState("connected");
  assert.deepEqual(await texts(), []);
  assert.deepEqual(logged, [], "nothing is logged");
  await configure({ debug: true, asks: false, token: mint("bob") });
  await until(
    async () => logged.includes("[SSE] Connected to event stream"),
    "the state is logged if asked for",
  );
  await close();
});

each("two tabs have a connection each, and both get each event", async ({ open, current }) => {
  const [one, other] = await Promise.all([open({ views: [{}] }), open({ views: [{}] })]);
  await Promise.all([one.inState("connected"), other.inState("connected")]);
  await stays(current, 2, "one connection per tab, because the provider has the same filter");
  await emit(stack, workload("api", "Running", { message: "for both" }));
  for (const { texts } of [one, other])
    await until(async () => (await texts()).at(-1) === "for both", "the tab shows the event");
  await one.close();
  await stays(current, 1, "the connection of the other tab");
  await other.close();
});

each("after a restart of the gateway, no event is missing and none is twice", async ({ open, relay }) => {
  const { page, inState, texts, close } = await open({ views: [{}] });
  await inState("connected");
  await emit(stack, workload("api", "Running", { message: "one" }));
  await until(async () => (await texts()).length === 1, "the event is shown");
  await stack.down("SIGTERM");
  await inState("connecting");
  await relay.cut();
  await stack.up();
  await emit(stack, workload("api", "Running", { message: "two" }));
  await relay.join();
  await until(async () => (await texts()).length === 2, "the missed event is shown");
  await inState("connected");
  await emit(stack, workload("api", "Running", { message: "three" }));
  await until(async () => (await texts()).length === 3, "the next event is shown");
  assert.deepEqual(await texts(), ["one", "two", "three"]);
  assert.equal((await page.evaluate(() => globalThis.handled)).length, 3);
  await close();
});

each(
  "an expired token is a state, not a loop, and a newer one resumes",
  async ({ open, opened, current }) => {
    // The gateway accepts a token for 30 s after its expiry.
    const { page, configure, inState, texts, views, close } = await open({
      views: [{}],
      token: mint("alice", -27),
    });
    await inState("connected");
    await emit(stack, workload("api", "Running", { message: "one" }));
    await until(async () => (await texts()).length === 1, "the event is shown");
    await inState("closed");
    assert.equal(await views.getAttribute("data-error"), "token_expired");
    const tries = opened();
    await stays(opened, tries, "no further attempt", 4_000);
    assert.equal(current(), 0);
    await emit(stack, workload("api", "Running", { message: "two" }));
    await configure({ token: mint("alice") });
    await inState("connected");
    await until(async () => (await texts()).length === 2, "the missed event is shown");
    assert.equal(await views.getAttribute("data-error"), "");
    await configure({ token: "not.a.token" });
    await inState("closed");
    assert.deepEqual([await views.getAttribute("data-reason"), await texts()], ["unauthorized", []]);
    const refused = opened();
    await stays(opened, refused, "no further attempt", 2_000);
    await page.evaluate(
      (token) => {
        globalThis.currentToken = token;
      },
      mint("alice", -28),
    );
    await configure({ asks: true });
    await inState("connected");
    await inState("closed");
    const asked = opened();
    await stays(opened, asked, "the function returns the same token, so no further attempt follows", 3_000);
    await page.evaluate((token) => {
      globalThis.currentToken = token;
    }, mint("alice"));
    await page.evaluate(() => globalThis.actions[0].reconnect());
    await inState("connected");
    await close();
  },
);

each("the client gives up after its tries, and reconnect() starts again", async ({ open, opened, relay }) => {
  const retries = { initialRetryDelay: 100, maxRetryDelay: 200, maxTries: 4 };
  const { page, inState, views, close } = await open({ views: [{}], retries });
  await inState("connected");
  await relay.cut();
  await inState("closed");
  assert.equal(await views.getAttribute("data-message"), "Max reconnection attempts reached");
  assert.equal(await views.getAttribute("data-max"), "true");
  await relay.join();
  const tries = opened();
  await stays(opened, tries, "no further attempt", 1_000);
  await page.evaluate(() => globalThis.actions[0].reconnect());
  await inState("connected");
  assert.equal(await views.getAttribute("data-max"), "false");
  await close();
});

each("a persisted stream resumes after a reload without a gap", async ({ open, page: address }) => {
  const { page, inState, texts, close } = await open({ views: [{}], persist: true });
  await inState("connected");
  await emit(stack, workload("api", "Running", { message: "one" }));
  await until(async () => (await texts()).length === 1, "the event is shown");
  await page.goto("about:blank");
  await emit(stack, workload("api", "Running", { message: "two" }));
  await page.goto(address);
  await inState("connected");
  await until(async () => (await texts()).join() === "one,two", "the kept and the missed event are shown");
  assert.deepEqual(await page.evaluate(() => globalThis.handled), [], "they are no news");
  await emit(stack, workload("api", "Running", { message: "three" }));
  await until(async () => (await texts()).length === 3, "the next event is shown");
  await close();
});
