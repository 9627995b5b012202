// What a screen reader gets.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { event, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** What axe finds serious or critical, in words. @param {import("playwright-core").Page} page @returns {Promise<string[]>} */
async function violations(page) {
  // Evaluated as the browser's console does it, which the page's policy against eval does not concern.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (globalThis).axe.run();
    return violations
      .filter((/** @type {any} */ one) => one.impact === "serious" || one.impact === "critical")
      .map((/** @type {any} */ one) => {
        const nodes = one.nodes.map(
          (/** @type {any} */ node) => `${node.target} ${node.any[0]?.message ?? ""}`,
        );
        return `${one.id}: ${nodes.slice(0, 3).join(" | ")}`;
      });
  });
}

test("no serious or critical violation on any page, in either theme", async () => {
  await stack.send([
    event({ kind: "axe", status: "failure" }),
    event({ kind: "axe.run", status: "in_progress" }),
    event({ kind: "axe.wait", status: "queued" }),
    event({
      source: "agent.ping",
      kind: "ping",
      module: "AXE",
      status: "in_progress",
      meta: { agent: "axe", interval: 60 },
    }),
  ]);
  for (const colorScheme of /** @type {const} */ (["dark", "light"])) {
    for (const [path, there] of /** @type {const} */ ([
      ["/?status=failure,success", ".run"],
      ["/vtid/DEV-CICDL-0031", ".bar"],
      ["/agents", "tr.agent"],
      ["/?event=1", "dialog.drawer[open] .tree, dialog.drawer[open] .meta-part p"],
    ])) {
      for (const width of [1440, 390]) {
        const { page, close } = await open(browser, `${stack.url}${path}`, {
          colorScheme,
          viewport: { width, height: 844 },
        });
        await page.locator(there).first().waitFor();
        const found = await violations(page);
        assert.deepEqual(found, [], `${path} ${colorScheme} ${width}`);
        await close();
      }
    }
  }
});
