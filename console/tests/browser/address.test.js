// Tests the page's address and the keyboard: navigation keeps the filters, and invalid input causes no error.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chord, event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
const ids = await stack.send([event({ kind: "one" }), event({ kind: "two" }), event({ kind: "three" })]);

/** @param {import("playwright-core").Page} page */
const focused = (page) =>
  page.evaluate(() => document.activeElement?.textContent || document.activeElement?.id || "");

/** @param {import("playwright-core").Page} page @param {number} count */
const rows = (page, count) =>
  until(
    async () => (await page.locator("#ticker .row[data-id]").count()) === count,
    `the list has ${count} rows`,
  );

test("Esc moves the focus out of the text filter and keeps the text", async () => {
  const { page, close } = await open(browser, stack.url);
  await rows(page, 3);
  await page.keyboard.press("/");
  await page.keyboard.type("two");
  await rows(page, 1);
  await page.keyboard.press("Escape");
  assert.deepEqual(
    [await page.getByRole("searchbox").inputValue(), new URL(page.url()).search],
    ["two", "?q=two"],
  );
  assert.notEqual(await focused(page), "search");
  await close();
});

test("the link to the home page keeps the filters, and a second click on the link clears them", async () => {
  const { page, close } = await open(browser, `${stack.url}/?kind=two`);
  await rows(page, 1);
  const live = page.getByRole("link", { name: "Live" });
  await page.getByRole("link", { name: "Agents" }).click();
  await page.waitForURL(`${stack.url}/agents`);
  await live.click();
  await page.waitForURL(`${stack.url}/?kind=two`);
  await chord(page, "g", "a");
  await page.waitForURL(`${stack.url}/agents`);
  await chord(page, "g", "h");
  await page.waitForURL(`${stack.url}/?kind=two`);
  await rows(page, 1);
  await live.click();
  await page.waitForURL(`${stack.url}/`);
  await rows(page, 3);
  await close();
});

test("j and k show the next and previous event in the drawer, and one Esc closes the drawer", async () => {
  const { page, close } = await open(browser, stack.url);
  await rows(page, 3);
  for (const key of ["j", "Enter"]) await page.keyboard.press(key);
  await page.waitForURL(`${stack.url}/?event=${ids[2]}`);
  await page.keyboard.press("j");
  await page.waitForURL(`${stack.url}/?event=${ids[1]}`);
  await page.getByRole("heading", { name: "two" }).waitFor();
  await page.keyboard.press("k");
  await page.getByRole("heading", { name: "three" }).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(`${stack.url}/`);
  assert.equal(await page.locator("dialog[open]").count(), 0);
  await page.goForward();
  await page.getByRole("heading", { name: "three" }).waitFor();
  await close();
});

test("a token with characters that are invalid in a header is ignored", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?token=%C3%A4b&kind=TWO&layer=cicdl`);
  await inState(page, "live");
  await rows(page, 1);
  assert.deepEqual(faults, []);
  await close();
});

test("after a filter is removed by keyboard, the focus moves to the next filter", async () => {
  const { page, close } = await open(browser, `${stack.url}/?kind=one,two,three`);
  await page.getByRole("button", { name: "Remove Event two" }).press("Enter");
  await rows(page, 2);
  assert.match(await focused(page), /three/);
  await page.keyboard.press("Enter");
  await rows(page, 1);
  assert.match(await focused(page), /one/);
  await page.keyboard.press("Enter");
  await rows(page, 3);
  assert.equal(await focused(page), "search");
  await close();
});

test("a filter menu closes when the Back button changes the view", async () => {
  const { page, close } = await open(browser, stack.url);
  await rows(page, 3);
  await page.getByRole("button", { name: "Status" }).click();
  await page.getByRole("checkbox", { name: /failed/ }).check();
  await page.waitForURL(`${stack.url}/?status=failure`);
  await page.goBack();
  await rows(page, 3);
  assert.equal(await page.getByRole("checkbox").count(), 0);
  await close();
});

test("a filter text that is typed just before the user leaves the home page is not applied", async () => {
  const { page, close } = await open(browser, stack.url);
  await rows(page, 3);
  await page.evaluate(() => {
    const search = /** @type {HTMLInputElement} */ (document.getElementById("search"));
    search.value = "two";
    search.dispatchEvent(new Event("input"));
    /** @type {HTMLElement} */ (document.querySelector('nav [href$="/agents"]')).click();
  });
  await page.waitForURL(`${stack.url}/agents`);
  await chord(page, "g", "h");
  await rows(page, 3);
  assert.equal(page.url(), `${stack.url}/`);
  assert.equal(await page.getByRole("searchbox").inputValue(), "");
  await close();
});

test("without storage, the user can still choose a theme and return to the system's theme", async () => {
  const { page, close } = await open(browser, "about:blank", { colorScheme: "light" });
  await page.addInitScript(() => {
    Object.defineProperty(globalThis, "localStorage", {
      get: () => {
        throw new DOMException("not allowed", "SecurityError");
      },
    });
  });
  await page.goto(stack.url);
  const dark = () =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor !== "rgb(247, 247, 248)");
  assert.equal(await dark(), false);
  await page.getByRole("button", { name: "Use the dark theme" }).click();
  assert.equal(await dark(), true);
  await page.getByRole("button", { name: "Use the light theme" }).click();
  assert.equal(await dark(), false);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await dark(), true);
  await close();
});

test("the page of an invalid VTID has status 404 and explains the problem", async () => {
  const { page, close } = await open(browser, stack.url);
  const answer = await page.goto(`${stack.url}/vtid/junk`);
  assert.equal(answer?.status(), 404);
  await page.getByText('"JUNK" is not a VTID').waitFor();
  await close();
});

test("the text filter finds a run by the name of the run", async () => {
  const link = "https://github.com/acme/gateway/actions/runs/4711";
  const meta = { name: "Answer slowly" };
  const run = { kind: "workflow_run", source: "github.actions", status: "in_progress", link, meta };
  const [id] = await stack.send([event(run)]);
  const { page, close } = await open(browser, `${stack.url}/?q=slowly`);
  await page.locator(`#ticker .row[data-id="${id}"]`).waitFor();
  await rows(page, 1);
  await page.locator(".run", { hasText: "Answer slowly" }).waitFor();
  await page.getByRole("searchbox").fill("quickly");
  await rows(page, 0);
  await page.getByText("Nothing that matches the filters is running or queued.").waitFor();
  await close();
});
