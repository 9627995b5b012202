// Tests the lists of failures and active runs: every row can be reached, and every row can be dismissed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

/** @param {string} name @param {number} count @param {string} status */
const runs = (name, count, status) =>
  Array.from({ length: count }, (_, i) =>
    event({ kind: `${name}_${i}`, status, vtid: `DEV-${name.toUpperCase()}-${1_000 + i}` }),
  );

test("all failures and all active runs can be shown, and fewer again", async () => {
  await stack.send([...runs("wait", 31, "queued"), ...runs("fail", 31, "failure")]);
  const { page, faults, close } = await open(browser, stack.url);
  for (const [title, few] of /** @type {const} */ ([
    ["now-title", 30],
    ["failures-title", 6],
  ])) {
    const panel = page.locator(`section[aria-labelledby="${title}"]`);
    const rows = panel.locator(".run");
    await until(async () => (await rows.count()) === few, `${few} rows are shown`);
    await panel.getByRole("button", { name: "Show all 31" }).click();
    await until(async () => (await rows.count()) === 31, "all rows are shown");
    assert.match((await panel.locator(".count").textContent()) ?? "", /^31$/);
    await panel.getByRole("button", { name: "Show fewer" }).click();
    await until(async () => (await rows.count()) === few, "fewer rows are shown");
  }
  await stack.send(runs("more", 120, "queued"));
  const now = page.locator('section[aria-labelledby="now-title"]');
  await now.getByRole("button", { name: "Show 100 more" }).click();
  await now.getByRole("button", { name: "Show all 151" }).click();
  await until(async () => (await now.locator(".run").count()) === 151, "all rows are shown");
  assert.deepEqual(faults, []);
  await close();
});

test("a dismissed active run stays away until it reports again", async () => {
  const stuck = { kind: "stuck", vtid: "DEV-STUCK-0001" };
  await stack.send([event({ ...stuck, status: "queued" })]);
  const { page, faults, close } = await open(browser, `${stack.url}/?vtid=DEV-STUCK-0001`);
  const row = page.locator('section[aria-labelledby="now-title"] .run', { hasText: "stuck" });
  await row.hover();
  await row.getByRole("button", { name: "Dismiss this run until it reports again" }).click();
  await row.waitFor({ state: "detached" });
  await page.reload();
  await inState(page, "live");
  await page.getByText("Nothing that matches the filters is running or queued.").waitFor();
  assert.equal(await row.count(), 0);
  await stack.send([event({ ...stuck, status: "in_progress" })]);
  await row.waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("older events of a large task can be loaded", async () => {
  const vtid = "DEV-OLDER-0001";
  await stack.sendMany(4_100, { vtid });
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  const count = page.locator("#task-events .count");
  for (const shown of ["2,000", "4,000"]) {
    await count.getByText(shown, { exact: true }).waitFor();
    await page.getByRole("button", { name: "Load older events" }).click();
  }
  await count.getByText("4,100", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Load older events" }).waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
  await close();
});

test("all stopped agents can be shown", async () => {
  const stopped = Array.from({ length: 55 }, (_, i) =>
    event({
      source: "agent.ping",
      kind: "ping",
      module: `OLD-${i}`,
      status: "success",
      meta: { agent: `old-${i}`, interval: 600 },
    }),
  );
  await stack.send(stopped);
  const { page, faults, close } = await open(browser, `${stack.url}/agents`);
  const rows = page.locator(".agents tbody tr");
  await until(async () => (await rows.count()) === 50, "50 agents are shown");
  await page.getByRole("button", { name: "Show all 55" }).click();
  await until(async () => (await rows.count()) === 55, "all agents are shown");
  assert.deepEqual(faults, []);
  await close();
});
