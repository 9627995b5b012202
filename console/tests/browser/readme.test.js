// Tests the example page in the README of the browser client.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { event, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();
const CLIENT = new URL("../../client/", import.meta.url);

const readme = await readFile(new URL("README.md", CLIENT), "utf8");
const html = /```html\n(.*?)```/s.exec(readme)?.[1];
assert.ok(html, "the README has an example page");

/** Serves the page from a different origin than the gateway's, as a user's own server would. */
const server = createServer(async ({ url = "/" }, answer) => {
  const name = /^\/client\/([a-z]+\.js)$/.exec(url)?.[1];
  answer.setHeader("Content-Type", name ? "text/javascript" : "text/html; charset=utf-8");
  answer.end(
    name ? await readFile(new URL(name, CLIENT)) : html.replace("https://gateway.example", stack.url),
  );
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
after(() => server.close());

test("the README's example page shows a failure, but no event that the filter excludes", async () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const { page, faults, close } = await open(browser, `http://127.0.0.1:${port}/`);
  await page
    .locator("#state", { hasText: "live" })
    .or(page.locator("#state", { hasText: "mock" }))
    .waitFor();
  await stack.send([event({ kind: "build" }), event({ kind: "deploy", status: "failure" })]);
  await page.locator("#list", { hasText: "CICDL-CORE-DEPLOY" }).waitFor();
  assert.ok(!(await page.locator("#list").innerText()).includes("BUILD"));
  assert.deepEqual(faults, []);
  await close();
});
