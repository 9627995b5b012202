// Tests that the page works with screen readers.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { change, openCast } from "./casts.js";
import { ENV, mint, put, write } from "./rooms.js";
import { event, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/**
 * Returns the serious and critical violations that axe finds, as text.
 *
 * @param {import("playwright-core").Page} page
 * @param {string[]} rules The rules to check; empty means all.
 * @returns {Promise<string[]>}
 */
async function violations(page, rules) {
  // The page's policy against `eval` does not apply to scripts that the test evaluates.
  await page.evaluate(axe);
  return page.evaluate(async (rules) => {
    const runOnly = rules.length > 0 ? { runOnly: rules } : {};
    const options = { ...runOnly, resultTypes: ["violations"] };
    const { violations } = await /** @type {any} */ (globalThis).axe.run(options);
    return violations
      .filter((/** @type {any} */ one) => one.impact === "serious" || one.impact === "critical")
      .map((/** @type {any} */ one) => {
        const nodes = one.nodes.map(
          (/** @type {any} */ node) => `${node.target} ${node.any[0]?.message ?? ""}`,
        );
        return `${one.id}: ${nodes.slice(0, 3).join(" | ")}`;
      });
  }, rules);
}

/**
 * Checks pages in both themes, on a wide and on a narrow screen. The dark theme has other colours, and
 * nothing else is different.
 *
 * @param {[string, string][]} pages The path of each page, and an element that shows that the page is ready.
 */
async function check(pages) {
  for (const [path, there] of pages) {
    for (const width of [1440, 390]) {
      const { page, close } = await open(browser, `${stack.url}${path}`, {
        colorScheme: "light",
        viewport: { width, height: 844 },
      });
      await page.locator(there).first().waitFor();
      assert.deepEqual(await violations(page, []), [], `${path} light ${width}`);
      await page.emulateMedia({ colorScheme: "dark" });
      assert.deepEqual(await violations(page, ["color-contrast"]), [], `${path} dark ${width}`);
      await close();
    }
  }
}

test("axe finds no serious or critical violation on any page, in either theme", async () => {
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
  await put(stack, "axe", { owner: "alice", readers: "owner" });
  const levels = ["info", "success", "warn", "error"].map((level) => ({
    level,
    message: `\u001b[31mred\u001b[0m ${level}`,
  }));
  const dim = {
    message: "\u001b[2mdim\u001b[0m \u001b[7minverse\u001b[0m \u001b[44mblue\u001b[0m",
    metadata: { a: 1 },
  };
  await write(stack, "axe", [...levels, { ...dim, agentType: "code" }]);
  const token = mint("alice");
  await check([
    ["/?status=failure,success", ".run"],
    ["/vtid/DEV-CICDL-0031", ".bar"],
    ["/agents", "tr.agent"],
    [`/rooms?token=${token}`, ".room-row"],
    [`/rooms/axe?q=red&token=${token}`, ".line .t-inverse"],
    ["/rooms/axe", ".room-page .token"],
    ["/?event=1", "dialog.drawer[open] .tree, dialog.drawer[open] .meta-part p"],
  ]);
});

test("screen readers get the ticker's rows in order, each with its index", async () => {
  const ids = await stack.send(Array.from({ length: 90 }, (_, i) => event({ kind: `heard${i}` })));
  const { page, faults, close } = await open(browser, stack.url);
  const list = page.locator("#ticker");
  await list.locator(`.row[data-id="${ids.at(-1)}"]`).waitFor();
  await until(async () => Number(await list.getAttribute("aria-rowcount")) > 90, "the list has older events");
  /** Checks the order and the indices of the rows, and returns the rows' ids. @param {string} when */
  const idsInOrder = async (when) => {
    const [count, rows] = await list.evaluate((list) => [
      Number(list.getAttribute("aria-rowcount")),
      [.../** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll("[role=row][data-id]"))].map(
        (row) => [Number(row.getAttribute("aria-rowindex")), Number(row.dataset.id)],
      ),
    ]);
    const newest = ids.at(-1) ?? 0;
    for (const [index = 0, id = 0] of rows) {
      assert.ok(index >= 2 && index <= count, `index ${index} of ${count} ${when}`);
      // In this test, the ids are consecutive. The header row has index 1, so the newest event has index 2.
      assert.equal(index, newest - id + 2, when);
    }
    const seen = rows.map(([, id = 0]) => id);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => b - a),
      when,
    );
    return seen;
  };
  await idsInOrder("at first");
  for (let i = 0; i < 3; i++) await page.keyboard.press("j");
  const selected = ids.at(-3) ?? 0;
  await list.locator(`.row[data-id="${selected}"][aria-current]`).waitFor();
  ids.push(...(await stack.send([event({ kind: "heard" }), event({ kind: "heard" })])));
  await page.locator(".unread", { hasText: "2 new" }).waitFor();
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await list.locator(`.row[data-id="${ids.at(-1)}"]`).waitFor();
  await idsInOrder("with new events on top");
  for (const top of [1_600, 1_280, 320, 0]) {
    await list.evaluate((list, top) => list.scrollTo(0, top), top);
    await list.locator(`.row[data-id="${(ids.at(-1) ?? 0) - top / 32}"]`).waitFor();
    assert.ok((await idsInOrder(`scrolled to ${top}`)).includes(selected), "the selected row is not removed");
  }
  const rows = (await list.ariaSnapshot()).split("\n").filter((line) => /^ *- row /.test(line));
  assert.match(rows[0] ?? "", /Arrived Status Task Event Module Where Source/);
  assert.match(rows[1] ?? "", /info DEV-CICDL-0031 heard, info, DEV-CICDL-0031, CORE/);
  assert.match(rows[3] ?? "", /heard89, info/);
  assert.deepEqual(faults, []);
  await close();
});

// This is the last test, because the audit log has rows in the table of the events, and the ids of the events
// of the test before must be consecutive.
test("axe finds no serious or critical violation on the pages of casts and of the canon", async () => {
  for (const status of ["queued", "running", "succeeded", "failed"]) {
    const id = `axe-${status}`;
    await openCast(stack, "alice", id);
    if (status !== "queued") await change(stack, id, { status, errorMessage: "no space" });
  }
  await change(stack, "axe-running", { progress: 40, message: "half" });
  await change(stack, "axe-succeeded", { artifactUrl: "https://example.com/a.zip" });
  const token = mint("alice");
  await check([
    [`/casts?token=${token}`, ".c-failed"],
    [`/casts?token=${mint("newcomer")}`, ".cast-pages pre"],
    [`/casts/axe-running?token=${token}`, ".facts .took"],
    [`/casts/axe-failed?token=${token}`, ".failure"],
    [`/casts/axe-succeeded?token=${token}`, ".result .out"],
    ["/casts/axe-running", ".cast-pages .token"],
    [`/audit?token=${mint("root", 3_600, { "oasis.admin": true })}`, ".audit-row"],
    [`/audit?token=${token}`, ".cast-pages .token"],
    ["/canon", ".canon .note"],
  ]);
});
