// Tests the toasts of the React package in a browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { serve, show, stays, VERSIONS } from "./react-stage.js";
import { Relay } from "./relay.js";
import { ENV, emit, mint, workload } from "./resources.js";
import { until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const options = { timeout: 120_000 };
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

for (const version of VERSIONS) {
  const address = await serve("react-page.js", version);

  const open = async (config) => {
    const relay = await Relay.start(stack.url);
    after(() => relay.cut().catch(() => {}));
    const base = { url: relay.url, token: mint("alice"), toast: "own", toastOptions: { duration: 60_000 } };
    const shown = await show(browser, address, { ...base, ...config });
    const { page } = shown;
    const toasts = page.locator('[role="status"] [data-variant]');
    const titles = () => toasts.locator("strong").allTextContents();
    await page.locator('#stored[data-connected="true"]').waitFor();
    return { ...shown, relay, toasts, titles };
  };

  test(
    `React ${version}: no toast is of the past, and none is shown twice after a reconnect`,
    options,
    async () => {
      await emit(stack, workload("past", "Failed"));
      const { page, relay, titles, close } = await open({});
      await stays(async () => (await titles()).length, 0, "no toast of the past");
      await emit(stack, workload("api", "Running"));
      await until(async () => (await titles()).length === 1, "the toast is shown");
      await relay.cut();
      await page.locator('#stored[data-connected="false"]').waitFor();
      await emit(stack, workload("web", "Degraded"));
      await relay.join();
      await page.locator('#stored[data-connected="true"]').waitFor();
      await until(async () => (await titles()).length === 2, "the missed event is shown");
      await emit(stack, workload("db", "Failed"));
      await until(async () => (await titles()).length === 3, "the next event is shown");
      assert.deepEqual(await titles(), [
        "Workload api: Running",
        "Workload web: Degraded",
        "Workload db: Failed",
      ]);
      await page.reload();
      await page.locator('#stored[data-connected="true"]').waitFor();
      await stays(async () => (await titles()).length, 0, "no toast of the past after a reload");
      await close();
    },
  );

  test(
    `React ${version}: equal toasts are folded, at most some are visible, and each can be dismissed`,
    options,
    async () => {
      const { page, toasts, titles, faults, close } = await open({
        toastOptions: { duration: 60_000, max: 2 },
      });
      await emit(
        stack,
        ...Array.from({ length: 5 }, () => workload("api", "Failed", { message: "no memory" })),
      );
      await until(async () => (await titles()).join() === "Workload api: Failed ×5", "the toasts are folded");
      assert.equal(await toasts.first().getAttribute("data-variant"), "error");
      await emit(stack, workload("web", "Running"), workload("db", "Degraded"));
      await until(
        async () => (await titles()).join() === "Workload web: Running,Workload db: Degraded",
        "the oldest toast is gone",
      );
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run('[role="status"]');
        return violations.map(({ id }) => id);
      });
      assert.deepEqual(violations, []);
      await page.getByRole("button", { name: "Dismiss: Workload web: Running" }).click();
      await until(async () => (await titles()).join() === "Workload db: Degraded", "the toast is gone");
      await emit(stack, workload("x", "Failed", { message: "<img src=x onerror=alert(1)>" }));
      await page.getByText("<img src=x onerror=alert(1)>").waitFor();
      assert.deepEqual(faults, []);
      await close();
    },
  );

  test(
    `React ${version}: a toast disappears by itself, but not under the pointer or the focus`,
    options,
    async () => {
      const { page, toasts, titles, close } = await open({ toastOptions: { duration: 700 } });
      const count = async () => (await titles()).length;
      await emit(stack, workload("one", "Running"));
      await until(async () => (await count()) === 1, "the toast is shown");
      await until(async () => (await count()) === 0, "the toast disappears");
      await emit(stack, workload("two", "Running"));
      await toasts.first().hover();
      await stays(count, 1, "the toast stays under the pointer", 1_500);
      await page.mouse.move(0, 0);
      await until(async () => (await count()) === 0, "the toast disappears");
      await emit(stack, workload("three", "Running"));
      await page.getByRole("button", { name: /Dismiss/ }).focus();
      await stays(count, 1, "the toast stays with the focus", 1_500);
      await page.evaluate(() => document.activeElement?.blur());
      await until(async () => (await count()) === 0, "the toast disappears");
      await emit(stack, workload("four", "Running"));
      await page.getByRole("button", { name: /Dismiss/ }).click();
      await emit(stack, workload("five", "Running"));
      await until(async () => (await count()) === 1, "the next toast is shown");
      await page.mouse.move(0, 0);
      await until(async () => (await count()) === 0, "a dismissed toast does not hold the next one");
      await close();
    },
  );

  test(
    `React ${version}: toasts move only for users who have not asked for less motion`,
    options,
    async () => {
      const { page, toasts, close } = await open({});
      await page.evaluate(() => {
        const { animate } = Element.prototype;
        globalThis.animated = 0;
        Element.prototype.animate = function (...args) {
          globalThis.animated++;
          return animate.apply(this, args);
        };
      });
      await emit(stack, workload("one", "Running"));
      await toasts.nth(0).waitFor();
      const before = await page.evaluate(() => globalThis.animated);
      assert.ok(before > 0);
      await page.emulateMedia({ reducedMotion: "reduce" });
      await emit(stack, workload("two", "Running"));
      await toasts.nth(1).waitFor();
      assert.equal(await page.evaluate(() => globalThis.animated), before);
      await close();
    },
  );

  for (const [library, selector] of [
    ["sonner", "[data-sonner-toast]"],
    ["hot", "[role=status]"],
  ])
    test(`React ${version}: ${library} shows the toasts instead, and folds equal ones`, options, async () => {
      const { page, close } = await open({ toast: library });
      await emit(stack, workload("api", "Failed"), workload("web", "Pending"));
      await page.locator(selector, { hasText: "Workload api: Failed" }).waitFor();
      await page.locator(selector, { hasText: "Workload web: Pending" }).waitFor();
      await emit(stack, workload("api", "Failed"));
      await page.locator(selector, { hasText: "Workload api: Failed ×2" }).waitFor();
      assert.equal(await page.locator(selector, { hasText: "Workload api" }).count(), 1);
      await close();
    });
}
