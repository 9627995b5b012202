// Tests that each event of the feed appears once on the live page, even if the gateway restarts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, PATIENCE, rowsInSight, shownIds, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

test("simulated events are marked, the first real event removes them, and new events appear", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  await inState(page, "mock");
  await page.locator("#ticker .row[data-simulated]").first().waitFor();
  assert.match((await page.locator("#banner").textContent()) ?? "", /Simulated/);
  const [id] = await stack.send([event({ kind: "task.init" })]);
  await inState(page, "live");
  await page.locator(`#ticker .row[data-id="${id}"]`).waitFor();
  assert.equal(await page.locator("#ticker .row[data-simulated]").count(), 0);
  assert.equal(await page.locator("#banner").isVisible(), false);
  const [next] = await stack.send([event({ status: "in_progress", kind: "build" })]);
  await page.locator(`#ticker .row[data-id="${next}"]`).waitFor();
  await page.locator(".run.s-in_progress", { hasText: "build" }).waitFor();
  await stack.send([event({ status: "failure", kind: "build" })]);
  await page.locator(".failures .run", { hasText: "build" }).waitFor();
  await page.waitForFunction(() => document.title.startsWith("(1)"));
  await stack.send([event({ status: "success", kind: "build" })]);
  await page.locator(".failures").waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("the page neither loses nor duplicates events when the gateway restarts", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=crash`);
  await inState(page, "live");
  const ids = await stack.send(Array.from({ length: 5 }, () => event({ kind: "crash" })));
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  for (const signal of /** @type {const} */ (["SIGKILL", "SIGINT"])) {
    await stack.down(signal);
    await inState(page, "reconnecting");
    assert.match((await page.locator("#banner").textContent()) ?? "", /The events shown here stay/);
    await stack.up();
    // These events are stored before the page reconnects, so the feed replays them.
    ids.push(...(await stack.send(Array.from({ length: 7 }, () => event({ kind: "crash" })))));
    await inState(page, "live");
    ids.push(...(await stack.send([event({ kind: "crash" })])));
    await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  }
  assert.deepEqual(
    await shownIds(page),
    ids.sort((a, b) => b - a),
  );
  assert.deepEqual(faults, []);
  await close();
});

test("a scrolled or paused list does not move, and counts the new events", async () => {
  await stack.sendMany(300, { kind: "read" });
  const { page, close } = await open(browser, `${stack.url}/?kind=read`);
  const scroller = page.locator("#ticker");
  const [top = 0] = await rowsInSight(page, 25);
  await scroller.evaluate((element) => element.scrollTo(0, 1_000));
  await page.waitForFunction(() => document.querySelector("#ticker")?.scrollTop === 1_000);
  const at = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("#ticker .row[data-id]")]
        .map(
          (row) =>
            `${/** @type {HTMLElement} */ (row).dataset.id}@${Math.round(row.getBoundingClientRect().top)}`,
        )
        .sort(),
    );
  await until(async () => !(await shownIds(page)).includes(top), "the rows at the scroll position are drawn");
  const seen = await at();
  await stack.send(Array.from({ length: 12 }, () => event({ kind: "read" })));
  await page.locator(".unread", { hasText: "12 new" }).waitFor();
  assert.deepEqual(await at(), seen);
  await page.locator(".unread").click();
  await page.waitForFunction(() => document.querySelector("#ticker")?.scrollTop === 0);
  await page.locator(".unread").waitFor({ state: "hidden" });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Pause" }).click();
  const [newest] = await shownIds(page);
  await stack.send([event({ kind: "read" })]);
  await page.locator(".unread", { hasText: "1 new" }).waitFor();
  assert.equal((await shownIds(page))[0], newest);
  await page.getByRole("button", { name: "Resume" }).click();
  await until(async () => (await shownIds(page))[0] !== newest, "the waiting event is shown");
  await close();
});

test("a task's journey grows while the task's page is open", async () => {
  const vtid = "DEV-JOURN-0007";
  const link = "https://github.com/acme/gateway/actions/runs/5";
  await stack.send([
    event({ vtid, source: "github.actions", kind: "push" }),
    event({
      vtid,
      source: "github.actions",
      kind: "workflow_run",
      status: "queued",
      link,
      meta: { name: "CI" },
    }),
  ]);
  const { page, faults, close } = await open(browser, `${stack.url}/vtid/${vtid}`);
  await page.locator(".bar.s-queued.live", { hasText: "CI" }).waitFor();
  await stack.send([
    event({
      vtid,
      source: "github.actions",
      kind: "workflow_run",
      status: "success",
      link,
      meta: { name: "CI" },
    }),
  ]);
  await page.locator(".bar.s-success", { hasText: "CI" }).waitFor();
  await page.locator(".steps", { hasText: "Checks green" }).waitFor();
  await page.locator(".bar.s-success").click();
  await page.locator("dialog.drawer[open]", { hasText: "workflow_run" }).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(`${stack.url}/vtid/${vtid}`);
  assert.deepEqual(faults, []);
  await close();
});

test("the agents page shows an agent after its first ping, and updates the agent's state", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/agents`);
  await page.getByText("No agent has sent a heartbeat yet").waitFor();
  const meta = { agent: "planner", role: "PLANNER", instance: "h:1:2", host: "h", pid: 1, interval: 60 };
  await stack.send([
    event({ source: "agent.ping", kind: "ping", module: "PLANNER", status: "in_progress", meta }),
  ]);
  await page.locator("tr.a-working", { hasText: "planner" }).waitFor({ timeout: PATIENCE });
  await stack.send([
    event({ source: "agent.ping", kind: "ping", module: "PLANNER", status: "failure", meta }),
  ]);
  await page.locator("tr.a-stopped .s-failure").waitFor({ timeout: PATIENCE });
  assert.deepEqual(faults, []);
  await close();
});
