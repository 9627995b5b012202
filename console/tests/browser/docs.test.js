// Tests the page with the descriptions of the API.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

test("the page lists the operations, works without a script, and loads nothing from elsewhere", async () => {
  const { page, faults, close } = await open(browser, "about:blank", { javaScriptEnabled: false });
  /** @type {string[]} */
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`${stack.url}/docs`);
  await page.getByRole("navigation").getByRole("link", { name: "POST /api/casts", exact: true }).click();
  await page.waitForURL(`${stack.url}/docs#openCast`);
  await page.locator("#openCast").getByText("/api/casts", { exact: true }).first().waitFor();
  assert.ok(await page.locator("#openCast:target").isVisible());
  for (const url of asked) assert.ok(url.startsWith(`${stack.url}/`), url);
  assert.deepEqual(faults, []);

  const link = page.getByRole("link", { name: "gateway-v1.yml" }).first();
  const answer = await page.request.get(new URL((await link.getAttribute("href")) ?? "", page.url()).href);
  assert.match(await answer.text(), /^openapi: 3\.1/m);
  await close();
});

test("every link on the page has a target, and axe finds no serious violation", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");
  const { page, close } = await open(browser, `${stack.url}/docs`);
  const links = await page.evaluate(() =>
    [...document.querySelectorAll("a[href]")].map((link) => link.getAttribute("href") ?? ""),
  );
  const inside = links.filter((href) => href.startsWith("#"));
  // Without links, the next check would prove nothing.
  assert.ok(inside.length > 100, `${inside.length} links within the page`);
  const lost = await page.evaluate(
    (hrefs) => hrefs.filter((href) => !document.getElementById(href.slice(1))),
    inside,
  );
  assert.deepEqual(lost, []);
  const outside = links.filter((href) => !href.startsWith("#")).map((href) => new URL(href, page.url()));
  const own = outside.filter(({ origin }) => origin === stack.url).map(({ href }) => href);
  for (const name of ["gateway-v1.yml", "oasis-v1.yml", "streams-v1.yml"])
    assert.ok(own.includes(`${stack.url}/openapi/${name}`), name);
  for (const address of own) assert.equal((await page.request.get(address)).status(), 200, address);
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (globalThis).axe.run({ resultTypes: ["violations"] });
    return violations.map((/** @type {any} */ one) => `${one.impact} ${one.id}: ${one.nodes[0].target}`);
  });
  assert.deepEqual(
    found.filter((/** @type {string} */ text) => /^(serious|critical)/.test(text)),
    [],
  );
  await page.setViewportSize({ width: 390, height: 844 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await close();
});
