// Tests how the page shows failed and replaced agents, and how often it reads the list of agents.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENV, mint, put, write } from "./rooms.js";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);

/** @param {string} agent @param {string} status @param {object} [meta] */
const ping = (agent, status, meta = {}) =>
  event({
    source: "agent.ping",
    kind: "ping",
    module: agent.toUpperCase(),
    status,
    meta: { agent, instance: "h:1:2", ...meta },
  });

test("even after a reload, an agent's failure is listed until an agent of the same name pings", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  await stack.send([event(), ping("planner", "failure")]);
  const row = page.locator(".failures .run", { hasText: "planner" });
  await row.filter({ hasText: "agent failed" }).waitFor();
  await page.waitForFunction(() => document.title.startsWith("(1)"));
  await page.reload();
  await row.waitFor();
  await stack.send([ping("planner", "info", { instance: "h:2:3" })]);
  await row.waitFor({ state: "hidden" });
  await page.reload();
  await inState(page, "live");
  await page.getByText("Nothing is running or queued.").waitFor();
  assert.equal(await page.locator(".failures .run").count(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("a replaced agent is listed last and is not counted", async () => {
  const started = (/** @type {number} */ ago) => new Date(Date.now() - ago).toISOString();
  // An agent that promises a ping every second and then falls silent is soon lost.
  await stack.send([
    ping("coder", "in_progress", { instance: "h:3:4", interval: 1, started: started(600_000) }),
    ping("tester", "in_progress", { instance: "h:4:5", interval: 1, started: started(600_000) }),
    ping("coder", "info", { instance: "h:5:6", interval: 600, started: started(-120_000) }),
  ]);
  const { page, faults, close } = await open(browser, `${stack.url}/agents`);
  await page.locator("tr.a-lost", { hasText: "tester" }).waitFor();
  await page.locator("tr.a-replaced", { hasText: "coder" }).waitFor();
  const rows = await page.locator(".agents tbody tr").allTextContents();
  assert.match(rows[0] ?? "", /tester/);
  assert.match(rows.at(-1) ?? "", /replaced/);
  await page.locator("#agents-count", { hasText: /^1$/ }).waitFor();
  await page.getByRole("link", { name: "Live" }).click();
  const lost = page.locator(".failures .run", { hasText: "agent lost" });
  await lost.filter({ hasText: "tester" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("the page rarely reads the list of agents, even if many pings arrive", async () => {
  const { page, close } = await open(browser, "about:blank");
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/oasis/agents")) asked++;
  });
  await page.goto(stack.url);
  await until(async () => asked === 1, "the page has read the list of agents");
  for (let i = 0; i < 20; i++) {
    const [id] = await stack.send([ping(`many-${i}`, "in_progress", { interval: 600 })]);
    await page.locator(`#ticker .row[data-id="${id}"]`).waitFor();
  }
  assert.equal(asked, 1);
  await page.getByRole("link", { name: "Agents" }).click();
  await page.locator("tr", { hasText: "many-19" }).waitFor();
  assert.ok(asked <= 3, `the page sent ${asked} queries`);
  await close();
});

test("an agent whose pings name a room has a link to the log", async () => {
  await put(stack, "scribe-1");
  await write(stack, "scribe-1", ["a line of the scribe"]);
  await stack.send([ping("scribe", "in_progress", { room: "scribe-1", interval: 600 })]);
  const { page, faults, close } = await open(browser, `${stack.url}/agents#token=${mint("alice")}`);
  const row = page.locator("tr.agent", { hasText: "scribe" });
  await row.getByRole("link", { name: "log" }).click();
  await page.waitForURL(`${stack.url}/rooms/scribe-1`);
  await page.locator(".line", { hasText: "a line of the scribe" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});
