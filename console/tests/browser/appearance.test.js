// Tests the page on phones, with reduced motion, and with forced colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { STATUSES } from "../../app/sets.js";
import { event, inState, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
const PAGES = /** @type {const} */ ([
  ["/", ".run"],
  ["/vtid/DEV-CICDL-0031", ".bar"],
  ["/agents", "tr.agent"],
]);
const long = "W".repeat(64);
await stack.send([
  ...STATUSES.map((status) => event({ kind: status, status })),
  event({
    vtid: "ABCDEFGH-ABCDEFGHIJKLMNOP-123456",
    module: long,
    kind: `k${"w".repeat(60)}`,
    status: "failure",
    link: `https://github.com/${long}/${long}/pull/1`,
    meta: { title: long, name: long },
  }),
  event({
    vtid: "DEV-CICDL-0031",
    module: long,
    status: "in_progress",
    kind: `k${"w".repeat(60)}`,
    meta: { title: long, name: long, repository: `${long}/${long}` },
  }),
  ...["in_progress", "info", "success", "failure"].map((status) =>
    event({
      source: "agent.ping",
      kind: "ping",
      status,
      vtid: status === "in_progress" ? "ABCDEFGH-ABCDEFGHIJKLMNOP-123456" : "IDLE",
      meta: { agent: `${status}-${long}`, role: long, host: long, pid: 1, interval: 60 },
    }),
  ),
]);

test("on a phone, no page scrolls sideways", async () => {
  for (const width of [390, 320]) {
    const { page, faults, close } = await open(browser, "about:blank", {
      viewport: { width, height: 700 },
      isMobile: true,
      hasTouch: true,
    });
    /** @param {string} what */
    const fits = async (what) => {
      const wide = await page.evaluate(() => {
        window.scrollTo(1_000, 0);
        return [document.documentElement.scrollWidth, window.innerWidth, window.scrollX];
      });
      assert.deepEqual(wide, [width, width, 0], `${what} at ${width} px`);
    };
    for (const [path, there] of PAGES) {
      await page.goto(`${stack.url}${path}`);
      await inState(page, "live");
      await page.locator(there).first().waitFor();
      await fits(path);
    }
    await page.goto(stack.url);
    await page.getByRole("button", { name: "Ticker" }).tap();
    await page
      .locator("#ticker .row[data-id]")
      .first()
      .tap({ position: { x: 12, y: 12 } });
    await page.locator("dialog.drawer[open] .tree").first().waitFor();
    await fits("the drawer");
    await page.getByRole("button", { name: "Close" }).tap();
    await page.locator("dialog.drawer").waitFor({ state: "hidden" });
    await fits("the ticker");
    for (const name of ["Status", "Source", "Event", "Module", "Layer", "Task"]) {
      await page.getByRole("button", { name, exact: true }).tap();
      await page.getByRole("group", { name, exact: true }).getByRole("checkbox").first().waitFor();
      await fits(`the menu ${name}`);
      await page.keyboard.press("Escape");
    }
    assert.deepEqual(faults, []);
    await close();
  }
});

test("with reduced motion, no animation runs", async () => {
  for (const [reducedMotion, moves] of /** @type {const} */ ([
    ["no-preference", true],
    ["reduce", false],
  ])) {
    const { page, close } = await open(browser, "about:blank", { reducedMotion });
    const moving = () =>
      page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === "running").length);
    await page.goto(stack.url);
    await page.locator(".run.s-in_progress").first().waitFor();
    assert.equal((await moving()) > 0, moves, `the icon of a run, reduced motion: ${reducedMotion}`);
    // These requests never get a response, so the page keeps loading.
    await page.route("**/api/v1/oasis/**", () => {});
    await page.goto(`${stack.url}/agents`);
    await page.locator(".skeleton").first().waitFor();
    assert.equal((await moving()) > 0, moves, `the skeleton, reduced motion: ${reducedMotion}`);
    await close();
  }
});

test("with forced colours, every status is shown as a word, and chosen items look different", async () => {
  const { page, faults, close } = await open(browser, stack.url, { forcedColors: "active" });
  /** Returns the texts of the visible elements that match the selector. @param {string} selector */
  const words = (selector) =>
    page.evaluate(
      (selector) =>
        [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(selector))]
          .filter((word) => word.checkVisibility() && word.getBoundingClientRect().width > 10)
          .map((word) => word.innerText),
      selector,
    );
  /** Returns an element's outline, border and underline. @param {import("playwright-core").Locator} one */
  const drawn = (one) =>
    one.evaluate((element) => {
      const { outlineStyle, borderStyle, textDecorationLine } = getComputedStyle(element);
      return [outlineStyle, borderStyle, textDecorationLine].join();
    });
  await page.locator("#ticker .row[data-id]").nth(5).waitFor();
  await inState(page, "live");
  assert.deepEqual(await words("#state-word"), ["LIVE"]);
  const shown = new Set(await words("#ticker .row[data-id] .status .word"));
  for (const word of ["queued", "running", "success", "failed", "cancelled", "info"])
    assert.ok(shown.has(word), `"${word}" is missing from ${[...shown]}`);
  const nav = page.getByRole("navigation");
  assert.notEqual(await drawn(nav.getByText("Live")), await drawn(nav.getByText("Agents")));
  const hide = page.getByRole("button", { name: "Hide green" });
  const before = await drawn(hide);
  await hide.click();
  await page.locator('[aria-pressed="true"]', { hasText: "Hide green" }).waitFor();
  await page.locator("#search").focus();
  assert.notEqual(await drawn(hide), before);
  await page.goto(`${stack.url}/agents`);
  await page.locator("tr.agent").nth(3).waitFor();
  assert.deepEqual((await words("tr.agent .status .word")).sort(), ["failed", "idle", "stopped", "working"]);
  await page.goto(`${stack.url}/vtid/DEV-CICDL-0031`);
  await page.locator(".bar .label", { hasText: "cancelled" }).waitFor();
  assert.equal(await page.locator(".bar .icon").count(), await page.locator(".bar").count());
  assert.deepEqual(faults, []);
  await close();
});
