// Tests that the page works without a mouse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chord, event, open, rowsInSight } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
await stack.sendMany(40);

test("every action can be done with the keyboard", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  const [first, second] = await rowsInSight(page, 25);
  await page.keyboard.press("j");
  await page.locator(`#ticker .row[data-id="${first}"][aria-current]`).waitFor();
  await page.keyboard.press("j");
  await page.locator(`#ticker .row[data-id="${second}"][aria-current]`).waitFor();
  await page.keyboard.press("k");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  const drawer = page.locator("dialog.drawer[open]");
  await drawer.getByText(String(second), { exact: true }).waitFor();
  assert.equal(new URL(page.url()).search, `?event=${second}`);
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    assert.ok(
      await page.evaluate(
        () => document.activeElement === document.body || document.activeElement?.closest("dialog"),
      ),
      "the focus stays within the dialog",
    );
  }
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "hidden" });
  assert.equal(
    await page.evaluate(() => document.activeElement?.closest(".row")?.getAttribute("data-id")),
    String(second),
    "the focus returns to the row",
  );
  await page.waitForURL(`${stack.url}/`);
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Resume" }).waitFor();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "search");
  await page.keyboard.type("jjg?");
  assert.equal(await page.getByRole("searchbox").inputValue(), "jjg?", "the search field gets the keys");
  // The page applies the filter a moment later, and the key of the home page returns to the filtered list.
  const filtered = `${stack.url}/?q=jjg%3F`;
  await page.waitForURL(filtered);
  await page.keyboard.press("Escape");
  await chord(page, "g", "a");
  await page.waitForURL(`${stack.url}/agents`);
  await chord(page, "g", "h");
  await page.waitForURL(filtered);
  await page.keyboard.press("?");
  await page.locator("dialog.help[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog.help").waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("the focus returns to the row even if the name of a run arrives in the meantime", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  const [first = 0] = await rowsInSight(page, 25);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.locator("dialog.drawer[open]").waitFor();
  const run = event({
    source: "github.actions",
    kind: "workflow_run",
    status: "queued",
    meta: { name: "CI" },
  });
  await stack.send([run]);
  await page.locator(".run", { hasText: "CI" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog.drawer").waitFor({ state: "hidden" });
  assert.equal(
    await page.evaluate(() => document.activeElement?.closest(".row")?.getAttribute("data-id")),
    String(first),
  );
  assert.deepEqual(faults, []);
  await close();
});
