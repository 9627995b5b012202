// Opens a page whose clock the test controls, and reads the whole list.

import { open, until } from "./stack.js";

/** @param {import("playwright-core").Page} page */
export const badge = async (page) => (await page.locator("#state-word").textContent()) ?? "";

/**
 * Advances the page's clock in steps until a condition is true. One large step would not work, because
 * a timer may start only after a response.
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
 * Opens a page whose clock the test controls.
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

/**
 * Stops the page's clock, so that no wait ends by itself.
 *
 * `pauseAt` stops the clock, and then moves it forward to the given time. It fails if the clock has already
 * passed this time. The second call succeeds, because the clock has stopped.
 *
 * @param {import("playwright-core").Page} page
 */
export async function freeze(page) {
  const pause = async () => page.clock.pauseAt(await page.evaluate(() => Date.now() + 1));
  await pause().catch(pause);
}

/**
 * Returns all ids in the list from top to bottom, including the ids of rows that are out of sight.
 *
 * The list makes rows after its scroll event. The browser sends this event with its next frame, which is late
 * on a busy machine, and the page's own clock doesn't show this. So wait until rows cover the visible part.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number[]>}
 */
export async function allIds(page) {
  /** @type {Map<number, number>} The ids by row number. */
  const found = new Map();
  for (let top = 0; ; top += 400) {
    await page.evaluate((top) => document.querySelector("#ticker")?.scrollTo(0, top), top);
    await until(() => page.evaluate(isCovered), "rows cover the visible part of the list");
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

/** Whether rows cover the visible part of the list. Runs in the page. */
function isCovered() {
  const scroller = /** @type {HTMLElement} */ (document.querySelector("#ticker"));
  const sheet = /** @type {HTMLElement} */ (scroller.querySelector(".sheet"));
  const [outer, inner] = [scroller.getBoundingClientRect(), sheet.getBoundingClientRect()];
  const rows = [...scroller.querySelectorAll(".row")].map((row) => row.getBoundingClientRect());
  let covered = Math.max(outer.top, inner.top);
  for (const { top, bottom } of rows.sort((a, b) => a.top - b.top)) {
    if (top <= covered + 1) covered = Math.max(covered, bottom);
  }
  return covered >= Math.min(outer.bottom, inner.bottom) - 1;
}
