// A page whose clock the test moves, and all that its list holds.

import { open, until } from "./stack.js";

/** @param {import("playwright-core").Page} page */
export const badge = async (page) => (await page.locator("#state-word").textContent()) ?? "";

/**
 * Lets the page's time pass in steps: what it waits for may itself begin only once something has come.
 *
 * @param {import("playwright-core").Page} page
 * @param {() => Promise<boolean>} condition
 * @param {string} what
 */
export const pass = (page, condition, what) =>
  until(async () => {
    await page.clock.fastForward(1_000);
    return condition();
  }, what);

/**
 * A page whose time a test can let pass.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 */
export async function openTimed(browser, url) {
  const opened = await open(browser, "about:blank");
  await opened.page.clock.install();
  await opened.page.goto(url);
  return opened;
}

/** From here on no wait ends by itself. @param {import("playwright-core").Page} page */
export const freeze = async (page) => page.clock.pauseAt(await page.evaluate(() => Date.now() + 1));

/**
 * All ids in the list, from the top down to its end, whether in sight or not.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number[]>}
 */
export async function allIds(page) {
  /** @type {Map<number, number>} By their place. */
  const found = new Map();
  for (let top = 0; ; top += 400) {
    await page.evaluate((top) => document.querySelector("#ticker")?.scrollTo(0, top), top);
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    const seen = await page.evaluate(() => {
      const scroller = /** @type {HTMLElement} */ (document.querySelector("#ticker"));
      const rows = [.../** @type {NodeListOf<HTMLElement>} */ (scroller.querySelectorAll(".row[data-id]"))];
      return {
        rows: rows.map(({ dataset }) => [Number(dataset.number), Number(dataset.id)]),
        end: scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 1,
      };
    });
    for (const [number = 0, id = 0] of seen.rows) found.set(number, id);
    if (seen.end) return [...found].sort(([a], [b]) => b - a).map(([, id]) => id);
  }
}
