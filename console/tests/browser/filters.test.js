// Filters, and the address that holds them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, open, shownIds, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

/** @param {import("playwright-core").Page} page */
const kinds = (page) =>
  page.evaluate(() =>
    [...new Set([...document.querySelectorAll("#ticker .row .kind")].map((kind) => kind.textContent))].sort(),
  );

test("filters are in the address, and back and forward go through them", async () => {
  const ids = await stack.send([
    event({ kind: "one", status: "success" }),
    event({ kind: "two", status: "failure" }),
    event({ kind: "three", vtid: "STG-OTHER-0001" }),
  ]);
  const { page, faults, close } = await open(browser, stack.url);
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  await page.getByRole("button", { name: "Status" }).click();
  await page.getByRole("checkbox", { name: /failed/ }).check();
  await page.waitForURL(`${stack.url}/?status=failure`);
  await until(async () => (await kinds(page)).join() === "two", "only failures");
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("Nothing matches these filters").waitFor();
  assert.equal(new URL(page.url()).search, "?q=nothing+like+it&status=failure");
  await page.goBack();
  await until(async () => (await kinds(page)).join() === "two", "the text is gone");
  await page.goBack();
  await until(async () => (await kinds(page)).join() === "one,three,two", "all again");
  await page.goForward();
  await until(async () => (await kinds(page)).join() === "two", "forward");
  await page.getByRole("button", { name: "Remove Status failed" }).click();
  await page.getByRole("button", { name: "Hide green" }).click();
  await until(async () => (await kinds(page)).join() === "three,two", "no green");
  await page.locator("#ticker").getByRole("link", { name: "STG-OTHER-0001" }).click();
  await page.waitForURL(`${stack.url}/vtid/STG-OTHER-0001`);
  await page.getByRole("button", { name: "Star" }).click();
  await page.goto(`${stack.url}/?mine=1`);
  await until(async () => (await kinds(page)).join() === "three", "my tasks");
  assert.deepEqual(faults, []);
  await close();
});

test("a filter finds what is older than what the page has", async () => {
  const [old] = await stack.send([event({ kind: "rare" })]);
  await stack.sendMany(2_000);
  const { page, close } = await open(browser, `${stack.url}/?kind=rare`);
  await page.locator(`#ticker .row[data-id="${old}"]`).waitFor();
  assert.deepEqual(await shownIds(page), [old]);
  await close();
});
