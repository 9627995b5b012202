// One event in full: what it holds stays text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, open } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage();

test("whatever an event holds stays text", async () => {
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
  // The table refuses other links; a page must not trust that.
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
