// Tests the example pages in the README of the browser client.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { ENV, mint, put, write } from "./rooms.js";
import { event, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const CLIENT = new URL("../../client/", import.meta.url);

const readme = await readFile(new URL("README.md", CLIENT), "utf8");
const pages = [...readme.matchAll(/```html\n(.*?)```/gs)].map(([, html = ""]) => html);
assert.equal(pages.length, 2, "the README has two example pages: a feed and a room");

/** Serves the pages from a different origin than the gateway's, as a user's own server would. */
const server = createServer(async ({ url = "/" }, answer) => {
  if (url === "/my-own-session/token") return answer.end(mint("alice"));
  const name = /^\/client\/([a-z]+\.js)$/.exec(url)?.[1];
  const html = pages[url === "/room" ? 1 : 0] ?? "";
  answer.setHeader("Content-Type", name ? "text/javascript" : "text/html; charset=utf-8");
  answer.end(
    name ? await readFile(new URL(name, CLIENT)) : html.replace("https://gateway.example", stack.url),
  );
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
after(() => server.close());
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

test("the README's example page shows a failure, but no event that the filter excludes", async () => {
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

test("the README's example page of a room shows its lines, with a token from its own server", async () => {
  await put(stack, "build-1");
  await write(stack, "build-1", ["the first line"]);
  const { page, faults, close } = await open(browser, `http://127.0.0.1:${port}/room`);
  await page.locator("#log", { hasText: "the first line" }).waitFor();
  await page.locator("#state", { hasText: "live (connected)" }).waitFor();
  await write(stack, "build-1", [{ message: "a failure", level: "error" }]);
  await page.locator("#log", { hasText: /Z error a failure\n$/ }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});
