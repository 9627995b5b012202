// Tests the app in examples/react-dashboard with a real gateway.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { logIn, serveBuilt, serveForDevelopment, subscribers } from "./dashboard.js";
import { ENV, emit, mint, workload } from "./resources.js";
import { until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const url = await serveBuilt(stack.url);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** @param {number} count */
const subscribed = (count) =>
  until(async () => (await subscribers(stack.url)) === count, `the gateway counts ${count} subscribers`);

test("without events, the page says that there are none yet", async (t) => {
  const { page, faults, inState } = await logIn(t, browser, url);
  await inState("Live");
  await page.getByRole("heading", { name: "No events yet" }).waitFor();
  assert.deepEqual(faults, []);
});

test("the page shows the last hour, follows changes, and closes its connections", async (t) => {
  await emit(
    stack,
    { event_type: "cluster_status_update", cluster_id: "eu-1", status: "healthy", node_count: 3 },
    { event_type: "project_status_update", project_id: "shop", cluster_id: "eu-1", status: "Ready" },
    workload("api", "Running", { replicas: 3, available_replicas: 3 }),
    workload("web", "Running"),
  );
  const { page, faults, inState, toasts, metric } = await logIn(t, browser, url);
  await inState("Live");
  const cluster = page.getByRole("region", { name: "eu-1" });
  await cluster.getByText("healthy").waitFor();
  await cluster.getByText("2 Running").waitFor();
  await subscribed(1);

  await page.getByRole("link", { name: "shop" }).click();
  await page.locator("main:focus").waitFor();
  await page.getByRole("listitem").filter({ hasText: "web" }).getByText("Running").waitFor();
  await page.getByRole("link", { name: "api" }).click();
  await page.getByText("3 of 3 available").waitFor();
  await subscribed(2);
  assert.equal(await toasts.count(), 0, "there are no toasts of the past");

  await emit(stack, workload("api", "Degraded", { available_replicas: 1, message: "2 replicas are down." }));
  await page.getByText("1 of 3 available").waitFor();
  await page.locator("main .title", { hasText: "Degraded" }).waitFor();
  await page.locator("ol li", { hasText: "2 replicas are down." }).waitFor();
  await toasts.filter({ hasText: "Workload api: Degraded" }).waitFor();
  await emit(stack, {
    event_type: "build_failed",
    build_id: "b7",
    workload_id: "api",
    error: "2 of 214 tests failed",
  });
  await toasts.filter({ hasText: "Build b7 of api failed" }).waitFor();
  await page.getByText(/Build b7 of api failed at/).waitFor();
  assert.equal(await metric("workload_status_update"), "3");
  assert.equal(await metric("build_failed"), "1");
  assert.equal(await metric("Connection"), "open");

  await page.getByRole("link", { name: "Clusters" }).click();
  await page.getByText("1 Degraded, 1 Running").waitFor();
  await subscribed(1);
  await page.reload();
  await page.getByText("1 Degraded, 1 Running").waitFor();
  assert.equal(await toasts.count(), 0, "there are no toasts of the past after a reload");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await subscribed(0);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(faults, []);
});

test("after a restart of the gateway, the page continues and counts the reconnect", async (t) => {
  const { faults, inState, toasts, metric, notice } = await logIn(t, browser, url);
  await inState("Live");
  await emit(stack, workload("api", "Running"));
  await toasts.filter({ hasText: "Workload api: Running" }).waitFor();
  await stack.down();
  await inState("Reconnecting");
  await stack.up();
  await inState("Live");
  await until(async () => (await notice.count()) === 0, "the notice disappears");
  assert.equal(await metric("Reconnects"), "1");
  await emit(stack, workload("web", "Failed"));
  await toasts.filter({ hasText: "Workload web: Failed" }).waitFor();
  assert.equal(await toasts.filter({ hasText: "×" }).filter({ hasText: /×\d/ }).count(), 0);
  await subscribed(1);
  assert.deepEqual(faults, []);
});

test("a token that is refused is a state, and not a loop", async (t) => {
  for (const [token, title] of /** @type {const} */ ([
    ["wrong", "The gateway does not accept this token"],
    [mint("alice", -120), "The token has expired"],
  ])) {
    const { page, faults, inState, notice, attempts } = await logIn(t, browser, url, () => token);
    await notice.filter({ hasText: title }).waitFor();
    await inState("Offline");
    assert.equal(attempts(), 1);
    await notice.getByRole("button", { name: "Log in with another token" }).click();
    await page.getByLabel("Token").fill(mint("alice"));
    await page.getByRole("button", { name: "Log in" }).click();
    await inState("Live");
    await page.getByRole("button", { name: "Log out" }).click();
    await subscribed(0);
    assert.deepEqual(faults, []);
  }
});

test("a token that expires while the page is open is a state, and not a loop", async (t) => {
  // The gateway allows for clocks that differ by 30 s, so this token is valid for 10 s more.
  const { faults, inState, notice, attempts } = await logIn(t, browser, url, () => mint("alice", -20));
  await inState("Live");
  await notice.filter({ hasText: "The token has expired" }).waitFor();
  await inState("Offline");
  await subscribed(0);
  assert.equal(attempts(), 1);
  assert.deepEqual(faults, []);
});

test("after ten failed attempts, the page offers to try again", async (t) => {
  const { page, faults, inState, notice } = await logIn(t, browser, url);
  await inState("Live");
  await page.clock.install();
  await page.route("**/events/stream**", (route) => route.abort());
  await page.reload();
  const title = notice.filter({ hasText: "Max reconnection attempts reached" });
  await until(async () => {
    await page.clock.runFor(31_000);
    return title.isVisible();
  }, "the page has given up");
  await inState("Offline");
  await page.unroute("**/events/stream**");
  await title.getByRole("button", { name: "Try again" }).click();
  await page.clock.resume();
  await inState("Live");
  assert.deepEqual(faults, []);
});

test("axe finds no violation in either theme, and the pages fit on a phone", async (t) => {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    const options = { colorScheme, viewport: { width: 390, height: 844 } };
    const { page, inState, toasts } = await logIn(t, browser, url, undefined, options);
    const check = async () => {
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const { violations } = await /** @type {any} */ (globalThis).axe.run();
        return violations.map((/** @type {any} */ one) => `${one.id}: ${one.nodes[0].html}`);
      });
      assert.deepEqual(found, [], `${colorScheme} ${page.url()}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.equal(overflow, 0, page.url());
    };
    await inState("Live");
    await page.getByRole("region", { name: "eu-1" }).waitFor();
    await check();
    await page.getByRole("link", { name: "shop" }).click();
    await page.getByRole("heading", { name: "Workloads" }).waitFor();
    await check();
    await page.getByRole("link", { name: "api" }).click();
    await page.getByRole("heading", { name: "Events", exact: true }).waitFor();
    for (const status of ["Failed", "Running", "Degraded"]) await emit(stack, workload("api", status));
    await until(async () => (await toasts.count()) === 3, "three toasts are visible");
    await check();
    await page.getByRole("button", { name: "Log out" }).click();
    await check();
  }
});

test("with the dev server and its proxy, StrictMode opens no second connection", async (t) => {
  const { page, faults, inState } = await logIn(t, browser, await serveForDevelopment(stack.url));
  await inState("Live");
  await page.getByRole("region", { name: "eu-1" }).waitFor();
  await subscribed(1);
  await emit(stack, { event_type: "cluster_status_update", cluster_id: "eu-1", status: "unhealthy" });
  await page.getByRole("region", { name: "eu-1" }).getByText("unhealthy").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await subscribed(0);
  assert.deepEqual(faults, []);
});
