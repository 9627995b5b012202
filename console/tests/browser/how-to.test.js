// Tests that the commands that the page shows work as they are.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { test } from "node:test";
import { open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
/** The programs are in one folder, as after an installation. */
const PATH = `${dirname(/** @type {string} */ (process.env.OASIS_BIN))}:${process.env.PATH}`;

/** Runs a command in a new process group. @param {string} command */
const run = (command) => spawn("sh", ["-c", command], { env: { ...process.env, PATH }, detached: true });

test("the shown commands send the first event, and start an agent that the page lists", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  /** @param {string} place */
  const shownIn = async (place) => (await page.locator(`${place} .how pre`).first().textContent()) ?? "";
  const [sent] = await once(run(await shownIn("body")), "exit");
  assert.equal(sent, 0);
  await page.locator("#ticker .row", { hasText: "DEV-CICDL-0031" }).first().waitFor();

  await page.goto(`${stack.url}/agents`);
  const agent = run(await shownIn(".panel"));
  try {
    await page.locator("tr", { hasText: "planner" }).waitFor();
  } finally {
    const ended = once(agent, "exit");
    // The group has the agent and the program that the agent runs.
    process.kill(-(/** @type {number} */ (agent.pid)), "SIGTERM");
    await ended;
  }
  assert.deepEqual(faults, []);
  await close();
});
