// A gateway that wants a token, notifications, and what the browser remembers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage({ READ_TOKENS: "s3cret" });
await stack.send([event({ kind: "first" })]);

test("the token leaves the address at once, and lasts as long as the tab", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?token=s3cret&kind=first`);
  await inState(page, "live");
  assert.equal(page.url(), `${stack.url}/?kind=first`);
  await page.locator("#ticker .row[data-id]").first().waitFor();
  const reloaded = await page.reload();
  assert.equal(reloaded?.status(), 401, "the address alone opens nothing");
  await inState(page, "live");
  await page.locator("#ticker .row[data-id]").first().waitFor();
  await page.goto(`${stack.url}/agents`);
  await page.getByText("No agent has been heard of").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("without a token the page asks for one", async () => {
  const { page, close } = await open(browser, `${stack.url}/agents`);
  await inState(page, "offline");
  const input = page.getByLabel("Token");
  await input.fill("wrong");
  await page.getByRole("button", { name: "Use it" }).click();
  await page.getByText("this token may not read").first().waitFor();
  await input.fill("s3cret");
  await page.getByRole("button", { name: "Use it" }).click();
  await inState(page, "live");
  await close();
});

test("failures that match the filters are notified, if asked for, and many as one", async () => {
  const { page, faults, close } = await open(browser, "about:blank", { permissions: ["notifications"] });
  await page.addInitScript(() => {
    const told = /** @type {string[]} */ ([]);
    const Told = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      /** @param {string} title */
      constructor(title) {
        told.push(title);
      }
    };
    Object.assign(globalThis, { told, Notification: Told });
  });
  await page.goto(`${stack.url}/?token=s3cret&vtid=DEV-NOTE-0001`);
  await inState(page, "live");
  const told = () => page.evaluate(() => /** @type {any} */ (globalThis).told);
  const failure = (/** @type {string} */ kind, vtid = "DEV-NOTE-0001") =>
    event({ kind, vtid, status: "failure" });
  await stack.send([failure("quiet")]);
  await page.locator(".failures .run", { hasText: "quiet" }).waitFor();
  await page.getByRole("button", { name: /Notify me/ }).click();
  await stack.send([failure("loud"), failure("other", "DEV-OTHER-0001")]);
  await until(async () => (await told()).length > 0, "a notification");
  assert.deepEqual(await told(), ["loud failed"]);
  await stack.send(Array.from({ length: 9 }, (_, i) => failure(`many${i}`)));
  await until(async () => (await told()).length > 1, "another");
  assert.deepEqual(await told(), ["loud failed", "9 failures"]);
  assert.deepEqual(faults, []);
  await close();
});

test("a dismissed failure and the theme are remembered", async () => {
  const { page, close } = await open(browser, `${stack.url}/?token=s3cret&vtid=DEV-KEEP-0001`, {
    colorScheme: "light",
  });
  await inState(page, "live");
  await stack.send([event({ kind: "annoying", vtid: "DEV-KEEP-0001", status: "failure" })]);
  const failure = page.locator(".failures .run", { hasText: "annoying" });
  await failure.waitFor();
  await failure.getByRole("button", { name: "Dismiss this failure" }).click();
  await failure.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Use the dark theme" }).click();
  await page.reload();
  await inState(page, "live");
  await page.locator("#ticker .row", { hasText: "annoying" }).waitFor();
  assert.equal(await failure.count(), 0);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await close();
});
