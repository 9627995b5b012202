// Tests the pages while no event is stored: they show the simulated task and agent, marked as simulated.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

test("in mock mode, the links lead to the simulated task and agent, until the first real event", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  await inState(page, "mock");
  await page.locator("#ticker a.task").first().click();
  await page.waitForURL(`${stack.url}/vtid/DEV-CICDL-0031`);
  const mark = page.locator(".page-head .simulated");
  await mark.waitFor();
  await page.locator(".task-page .row[data-simulated]").first().waitFor();
  await page.locator(".steps", { hasText: "First push" }).waitFor();
  for (const name of ["workflow run", "deploy", "planner"])
    await page.locator(".bar", { hasText: name }).first().waitFor();
  await page.locator(".bar", { hasText: "deploy" }).first().click();
  await page.locator("dialog.drawer[open]", { hasText: "Simulated events have no meta" }).waitFor();
  await page.keyboard.press("Escape");
  await page.reload();
  await page.locator(".task-page .row[data-simulated]").first().waitFor();
  const count = async () => Number(await page.locator("#task-events .count").textContent());
  await until(async () => (await count()) >= 10, "a whole story is shown");
  await page.getByRole("link", { name: "Agents" }).click();
  const agent = page.locator("tr.a-working", { hasText: "planner" });
  await agent.filter({ hasText: "simulated" }).waitFor();
  await mark.waitFor();
  await agent.getByRole("button").click();
  await page.locator("dialog.drawer[open]", { hasText: "Simulated events have no meta" }).waitFor();
  await page.keyboard.press("Escape");
  await stack.send([event({ kind: "real", vtid: "DEV-REAL-0001" })]);
  await inState(page, "live");
  await page.getByText("No agent has sent a heartbeat yet").waitFor();
  assert.equal(await mark.isVisible(), false);
  await page.goBack();
  await page.getByText("No events for DEV-CICDL-0031 yet").waitFor();
  assert.equal(await page.locator(".task-page .row[data-simulated]").count(), 0);
  assert.equal(await page.locator(".page-head .simulated").isVisible(), false);
  assert.deepEqual(faults, []);
  await close();
});

test("in mock mode, the list of current runs has the simulated runs and a mark", async () => {
  await stack.renew();
  const { page, faults, close } = await open(browser, stack.url);
  await inState(page, "mock");
  const now = page.locator(".panel.active");
  await now.locator(".simulated").waitFor();
  await now.locator(".run", { hasText: "workflow run" }).waitFor();
  await now.getByText("Nothing is running or queued in the simulation.").waitFor();
  await stack.send([event({ kind: "real", status: "success" })]);
  await inState(page, "live");
  await now.getByText("Nothing is running or queued.", { exact: true }).waitFor();
  assert.equal(await now.locator(".simulated").isVisible(), false);
  assert.deepEqual(faults, []);
  await close();
});

test("in mock mode, the page of another task shows no simulated data", async () => {
  await stack.renew();
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/DEV-OTHER-0001`);
  await inState(page, "mock");
  await page.getByText("No events for DEV-OTHER-0001 yet").waitFor();
  assert.equal(await page.locator(".page-head .simulated").isVisible(), false);
  await until(async () => (await page.locator(".task-page .row[data-simulated]").count()) === 0, "no rows");
  assert.deepEqual(faults, []);
  await close();
});
