// Tests the page of work without a task.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

/** @param {string} repository @param {string} vtid @param {object} [more] */
const run = (repository, vtid, more = {}) =>
  event({
    source: "github.actions",
    kind: "workflow_run",
    status: "success",
    vtid,
    meta: { repository },
    ...more,
  });

test("the page shows how much work names no task, and whose work it is", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/`);
  await page.getByRole("link", { name: "Canon" }).click();
  await page.getByText("No run or deploy has ended in 30 days, and no agent has pinged.").waitFor();
  assert.equal(await page.locator('nav [aria-current="page"]').innerText(), "Canon");

  const hostile = "acme/<b>shop</b>";
  await stack.send([
    run("acme/web", "DEV-WEB-0001"),
    run("acme/web", "DEV-WEB-0001"),
    run(hostile, "UNSET"),
    run(hostile, "UNSET", { status: "failure" }),
    event({ source: "gcp.deploy", kind: "deploy", module: "API", vtid: "UNSET", status: "success" }),
    event({
      source: "agent.ping",
      kind: "ping",
      module: "X",
      vtid: "IDLE",
      status: "info",
      meta: { agent: "idler" },
    }),
  ]);
  // The answer for 30 days is given again for a while. The answer for 7 days is new.
  await page.getByRole("button", { name: "7 days" }).click();
  await page.locator(".canon dd", { hasText: "50 % name a task; 2 of 4 do not" }).waitFor();
  const rows = await page.locator(".canon tbody tr").allInnerTexts();
  assert.deepEqual(
    rows.map((row) => row.split(/\s*\t\s*/).slice(0, 3)),
    [
      ["Runs", hostile, "2 of 2"],
      ["Agents", "idler", "1 of 1 ping"],
      ["Deploys", "API", "1 of 1"],
    ],
  );
  assert.equal(await page.locator(".trend li").count(), 1);
  await page.getByRole("button", { name: "Newest event" }).first().click();
  await page.locator("#drawer, .drawer").getByText("failure").first().waitFor();
  await page.keyboard.press("Escape");

  await page.waitForURL(`${stack.url}/canon`);

  // The page can also be opened by its address.
  await page.goto(`${stack.url}/canon`);
  await page.getByRole("heading", { name: "Work without a task" }).waitFor();
  await page.locator(".canon tbody tr, .canon .note").first().waitFor();
  assert.deepEqual(faults, []);
  await close();
});
