// Tests that the drawer shows event content as text, copies an event, and works with the browser's history.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIPBOARD, copied, paste } from "./clipboard.js";
import { event, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

test("hostile content in an event is shown as text", async () => {
  const bad = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const meta = {
    title: bad,
    name: `${bad}\u202Egnp.exe`,
    long: "x".repeat(2_048),
    nested: { [bad]: [bad, { deep: null }] },
    number: 7,
  };
  const [id] = await stack.send([
    event({ kind: "hostile", status: "in_progress", link: "https://example.com/%3Cscript%3E?q=<b>", meta }),
  ]);
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=hostile`);
  await page.locator(".run", { hasText: "<img src=x" }).waitFor();
  await page.locator(`#ticker .row[data-id="${id}"] .kind`).click();
  const drawer = page.locator("dialog.drawer[open]");
  await drawer.getByText("x".repeat(2_048)).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL(`${stack.url}/?kind=hostile`);
  await page.goto(`${stack.url}/?q=${encodeURIComponent(bad)}&status=${encodeURIComponent(bad)}`);
  await page.locator(".chip").first().waitFor();
  await page.goto(`${stack.url}/vtid/DEV-CICDL-0031`);
  await page.locator(".bar", { hasText: "<img src=x" }).waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
  // The database refuses `javascript:` links, but the page must not rely on the database.
  await page.route("**/api/v1/oasis/events?*", (route) =>
    route.fulfill({
      json: [
        {
          id: 5,
          ts: "now",
          vtid: bad,
          layer: bad,
          module: bad,
          source: bad,
          kind: bad,
          status: bad,
          title: bad,
          ref: bad,
          link: "javascript:document.title=3",
          recorded_at: "never",
          channel: "devhub",
          meta,
        },
      ],
    }),
  );
  await page.goto(`${stack.url}/?event=5`);
  await page.locator("dialog.drawer[open] .tree").first().waitFor();
  const links = await page.evaluate(() =>
    [...document.querySelectorAll("a[href]")].map((link) => /** @type {HTMLAnchorElement} */ (link).protocol),
  );
  assert.ok(
    links.every((protocol) => /^https?:$/.test(protocol)),
    links.join(),
  );
  assert.match(await page.title(), /OASIS DevHub$/);
  assert.deepEqual(faults, []);
  await close();
});

test("an event can be copied as JSON, and as a curl command that reads the event", async () => {
  const meta = { text: 'it\'s "quoted" $HOME \u202e', list: [1, { deep: null }] };
  const [id = 0] = await stack.send([
    event({ kind: "copied", link: "https://example.com/?a=1&b='2'", meta }),
  ]);
  await stack.send([event()]);
  const { page, faults, close } = await open(browser, `${stack.url}/?event=${id}`, CLIPBOARD);
  await page.locator("dialog.drawer[open] .tree").first().waitFor();
  const stored = await (await fetch(`${stack.url}/api/v1/oasis/events?before=${id + 1}&limit=1`)).json();
  assert.deepEqual(stored[0].meta, meta);
  assert.deepEqual(JSON.parse(await copied(page, "Copy as JSON")), stored[0]);
  assert.deepEqual(await paste(await copied(page, "Copy as curl")), stored);
  assert.deepEqual(faults, []);
  await close();
});

test("Back closes the drawer, Forward opens it, and closing a linked event leads to the list", async () => {
  const [first, second] = await stack.send([event({ kind: "walked" }), event({ kind: "walked" })]);
  const { page, faults, close } = await open(browser, `${stack.url}/agents`);
  await page.goto(`${stack.url}/?kind=walked`);
  const drawer = page.locator("dialog.drawer[open]");
  /** @param {number | undefined} id */
  const opened = async (id) => {
    await drawer.locator("dd", { hasText: new RegExp(`^${id}$`) }).waitFor();
    assert.equal(page.url(), `${stack.url}/?kind=walked&event=${id}`);
  };
  const closed = async () => {
    await drawer.waitFor({ state: "hidden" });
    await page.waitForURL(`${stack.url}/?kind=walked`);
  };
  const row = (/** @type {number | undefined} */ id) => page.locator(`#ticker .row[data-id="${id}"] .kind`);
  await row(first).click();
  await opened(first);
  await page.goBack();
  await closed();
  await page.goForward();
  await opened(first);
  await page.keyboard.press("Escape");
  await closed();
  await row(second).click();
  await opened(second);
  await page.getByRole("button", { name: "Close" }).click();
  await closed();
  // Closing the drawer went back in the history, so the next step back leads to the page before the list.
  await page.goBack();
  await page.waitForURL(`${stack.url}/agents`);
  await page.goto(`${stack.url}/?kind=walked&event=${first}`);
  await opened(first);
  await page.keyboard.press("Escape");
  await closed();
  await page.goBack();
  await page.waitForURL(`${stack.url}/agents`);
  assert.deepEqual(faults, []);
  await close();
});
