// What the page copies, and what it is good for.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What a context needs that reads what was copied. */
export const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };

/**
 * Presses a button that copies; says what.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function copied(page, name) {
  await page.evaluate(() => navigator.clipboard.writeText("nothing"));
  // By itself rather than by its name, which says for a while that it has been done.
  const button = await page.getByRole("button", { name }).elementHandle();
  await button?.click();
  await page.waitForFunction((button) => button?.textContent === "Copied", button);
  return page.evaluate(() => navigator.clipboard.readText());
}

/**
 * Runs a line as whoever pastes it into a shell; says the JSON it prints.
 *
 * @param {string} line
 * @param {Record<string, string>} [env]
 */
export async function paste(line, env) {
  const { stdout } = await promisify(execFile)("sh", ["-c", line], {
    env: { ...process.env, ...env },
    timeout: 10_000,
  });
  return JSON.parse(stdout);
}
