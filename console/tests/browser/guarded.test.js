// Tests notifications, the browser's storage, and the page of a gateway that requires a token.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIPBOARD, copied, paste } from "./clipboard.js";
import { event, inState, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage({ READ_TOKENS: "s3cret" });
await stack.send([event({ kind: "first" })]);

/** Runs inside the page. Records the page's notifications. */
function record() {
  const notes = /** @type {Notification[]} */ ([]);
  const Recorded = new Proxy(Notification, {
    construct(target, given) {
      const note = Reflect.construct(target, given);
      notes.push(note);
      return note;
    },
  });
  Object.assign(globalThis, { notes, Notification: Recorded });
}

test("the page removes the token from the address at once, and keeps the token for the tab", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?token=s3cret&kind=first`);
  await inState(page, "live");
  assert.equal(page.url(), `${stack.url}/?kind=first`);
  await page.locator("#ticker .row[data-id]").first().waitFor();
  const reloaded = await page.reload();
  assert.equal(reloaded?.status(), 401, "the address alone does not grant access");
  await inState(page, "live");
  await page.locator("#ticker .row[data-id]").first().waitFor();
  await page.goto(`${stack.url}/agents`);
  await page.getByText("No agent has sent a heartbeat yet").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a page without a token asks the user for a token", async () => {
  const { page, close } = await open(browser, `${stack.url}/agents`);
  await inState(page, "offline");
  const input = page.getByLabel("Token");
  await input.fill("wrong");
  await page.getByRole("button", { name: "Use token" }).click();
  await page.getByText("this token is not accepted").first().waitFor();
  await input.fill("s3cret");
  await page.getByRole("button", { name: "Use token" }).click();
  await inState(page, "live");
  await close();
});

test("failures that match the filters cause a notification, and many failures cause only one", async () => {
  const { page, faults, close } = await open(browser, "about:blank", { permissions: ["notifications"] });
  await page.addInitScript(record);
  await page.goto(`${stack.url}/?token=s3cret&vtid=DEV-NOTE-0001`);
  await inState(page, "live");
  const notes = () =>
    page.evaluate(() =>
      /** @type {{ notes: Notification[] }} */ (/** @type {unknown} */ (globalThis)).notes.map(
        ({ title }) => title,
      ),
    );
  const failure = (/** @type {string} */ kind, vtid = "DEV-NOTE-0001") =>
    event({ kind, vtid, status: "failure" });
  await stack.send([failure("quiet")]);
  await page.locator(".failures .run", { hasText: "quiet" }).waitFor();
  await page.getByRole("button", { name: /Notify me/ }).click();
  await stack.send([failure("loud"), failure("other", "DEV-OTHER-0001")]);
  await until(async () => (await notes()).length > 0, "a notification is shown");
  assert.deepEqual(await notes(), ["loud failed"]);
  await stack.send(Array.from({ length: 9 }, (_, i) => failure(`many${i}`)));
  await until(async () => (await notes()).length > 1, "a second notification is shown");
  assert.deepEqual(await notes(), ["loud failed", "9 failures"]);
  // Notifications stay on after a reload, and a click on a notification opens the event.
  await page.reload();
  await inState(page, "live");
  await page.getByRole("button", { name: /Notifications of failures are on/, pressed: true }).waitFor();
  const [id] = await stack.send([failure("pressed")]);
  await until(async () => (await notes()).join() === "pressed failed", "a new notification is shown");
  await page.evaluate(() => {
    const [note] = /** @type {{ notes: Notification[] }} */ (/** @type {unknown} */ (globalThis)).notes;
    note?.dispatchEvent(new Event("click"));
  });
  await page.waitForURL(`${stack.url}/?vtid=DEV-NOTE-0001&event=${id}`);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /Notifications of failures are on/ }).click();
  await stack.send([failure("unheard")]);
  await page.locator(".failures .run", { hasText: "unheard" }).waitFor();
  await page.getByRole("button", { name: /Notify me/ }).click();
  await stack.send([failure("heard")]);
  await until(async () => (await notes()).length > 1, "one more notification is shown");
  assert.deepEqual(await notes(), ["pressed failed", "heard failed"]);
  assert.deepEqual(faults, []);
  await close();
});

test("if the browser blocks notifications, the label of the bell button says so", async () => {
  const { page, close } = await open(browser, "about:blank");
  // Replace the browser's prompt, because no user can answer the prompt in a test.
  await page.addInitScript(() => {
    Notification.requestPermission = async () => "denied";
  });
  await page.goto(`${stack.url}/?token=s3cret`);
  await inState(page, "live");
  await page.getByRole("button", { name: /Notify me/ }).click();
  await page
    .getByRole("button", { name: "Notifications are blocked in this browser's settings", pressed: false })
    .waitFor();
  await close();
});

test("the curl command for an event contains a variable instead of the token", async () => {
  const { page, close } = await open(browser, `${stack.url}/?token=s3cret&event=1`, CLIPBOARD);
  await page.locator("dialog.drawer[open] .meta-part p").waitFor();
  const line = await copied(page, "Copy as curl");
  assert.ok(!line.includes("s3cret"), line);
  const [{ id, kind }] = await paste(line, { READ_TOKEN: "s3cret" });
  assert.deepEqual([id, kind], [1, "first"]);
  await close();
});

test("a dismissed failure stays dismissed after a reload", async () => {
  const { page, close } = await open(browser, `${stack.url}/?token=s3cret&vtid=DEV-KEEP-0001`);
  await inState(page, "live");
  await stack.send([event({ kind: "annoying", vtid: "DEV-KEEP-0001", status: "failure" })]);
  const failure = page.locator(".failures .run", { hasText: "annoying" });
  await failure.waitFor();
  await failure.getByRole("button", { name: "Dismiss this failure" }).click();
  await failure.waitFor({ state: "detached" });
  await page.reload();
  await inState(page, "live");
  await page.locator("#ticker .row", { hasText: "annoying" }).waitFor();
  await page.getByText("Nothing that matches the filters is running or queued.").waitFor();
  assert.equal(await failure.count(), 0);
  await close();
});

test("the page follows the system's theme until the user chooses a theme, and keeps the choice", async () => {
  const { page, close } = await open(browser, `${stack.url}/?token=s3cret`, { colorScheme: "light" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await background();
  assert.notEqual(light, dark);
  for (const [system, name, chosen] of /** @type {const} */ ([
    ["dark", "Use the light theme", light],
    ["light", "Use the dark theme", dark],
  ])) {
    await page.emulateMedia({ colorScheme: system });
    await page.getByRole("button", { name }).click();
    assert.equal(await background(), chosen);
    await page.reload();
    assert.equal(await background(), chosen, "after a reload");
  }
  await page.getByRole("button", { name: "Use the light theme" }).click();
  await page.reload();
  assert.equal(await background(), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await background(), dark, "the page follows the system again");
  await close();
});
