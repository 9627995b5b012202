// Where events are missing from the list, the page says which, and why.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Relay } from "./relay.js";
import { event, inState, shownIds } from "./stack.js";
import { stage } from "./stage.js";
import { allIds, badge, freeze, openTimed, pass } from "./timed.js";

const { stack, browser } = await stage();
const relay = await Relay.start(stack.url);
after(() => relay.cut());
await stack.send([event()]);

beforeEach(() => {
  relay.way = "pass";
});

/** @param {number} count */
const send = (count) => stack.send(Array.from({ length: count }, () => event({ kind: "gap" })));

/** A page that has shown some events, and was then cut off. */
async function cutOff() {
  const opened = await openTimed(browser, `${relay.url}/?kind=gap`);
  await inState(opened.page, "live");
  const ids = await send(3);
  await opened.page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  await relay.cut();
  await inState(opened.page, "reconnecting");
  return { ...opened, ids };
}

/** @param {import("playwright-core").Page} page */
async function comesBack(page) {
  await relay.join();
  await pass(page, async () => (await badge(page)).startsWith("LIVE"), "it is back");
}

test("events that are no longer kept", async () => {
  const { page, faults, close, ids } = await cutOff();
  const before = await allIds(page);
  const gone = await send(4);
  await stack.prune();
  const kept = await send(2);
  await comesBack(page);
  const banner = page.locator("#banner");
  await banner
    .getByText(
      `Events ${(ids.at(-1) ?? 0) + 1} to ${gone.at(-1)} are not in this list: they are no longer kept.`,
    )
    .waitFor();
  await page.locator(`#ticker .row[data-id="${kept.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), [...kept.reverse(), ...before]);
  await freeze(page);
  await banner.getByRole("button", { name: "Close" }).click();
  await banner.waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("more than is shown at once, when polling", async () => {
  relay.way = "hold";
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=gap`);
  await pass(page, async () => (await badge(page)) === "LIVE, polling", "polling");
  const [known = 0] = await send(1);
  await pass(page, async () => (await shownIds(page))[0] === known, "what came");
  await relay.cut();
  const link = "https://github.com/acme/gateway/actions/runs/99";
  await stack.send([event({ kind: "gap", vtid: "DEV-MISSD-0001", status: "failure", link })]);
  await stack.sendMany(10_500);
  const [last = 0] = await send(1);
  await comesBack(page);
  await page.locator(`#ticker .row[data-id="${last}"]`).waitFor();
  const said = (await page.locator("#banner", { hasText: "are not in this list" }).textContent()) ?? "";
  const [, from, to] = /^Events ([\d,]+) to ([\d,]+) are not in this list\./.exec(said) ?? [];
  assert.equal(Number(from?.replaceAll(",", "")), known + 1, said);
  const upTo = Number(to?.replaceAll(",", ""));
  assert.ok(upTo > known && last - upTo >= 10_000, said);
  await page.locator(".failures .run", { hasText: "gap" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("another database", async () => {
  const { page, faults, close } = await cutOff();
  await stack.renew();
  const ids = await send(2);
  await comesBack(page);
  await page.locator("#banner").getByText("the list has begun anew").waitFor();
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.reverse());
  ids.unshift(...(await send(1)));
  await page.locator(`#ticker .row[data-id="${ids[0]}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids);
  assert.deepEqual(faults, []);
  await close();
});
