// Reads the text that the page copies, and runs copied commands.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The context options that let a test read the clipboard. */
export const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };

/**
 * Presses a copy button and returns the copied text.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function copied(page, name) {
  await page.evaluate(() => navigator.clipboard.writeText("nothing"));
  // Keep the element, because the button can't be found by name while the name is "Copied".
  const button = await page.getByRole("button", { name }).elementHandle();
  await button?.click();
  await page.waitForFunction((button) => button?.textContent === "Copied", button);
  return page.evaluate(() => navigator.clipboard.readText());
}

/**
 * Runs a command line in a shell, and returns the JSON that the command prints.
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
