// Tests that the page names the events that are missing from the list, and the reason.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { FEED, Relay } from "./relay.js";
import { event, inState, shownIds } from "./stack.js";
import { stage } from "./stage.js";
import { allIds, badge, freeze, openTimed, pass } from "./timed.js";

const { stack, browser } = await stage();
const relay = await Relay.start(stack.url);
after(() => relay.cut());
await stack.send([event()]);

beforeEach(() => {
  relay.mode = "pass";
});

/** @param {number} count */
const send = (count) => stack.send(Array.from({ length: count }, () => event({ kind: "gap" })));

/** Opens a page, waits for some events, and then cuts the page's connection. */
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
async function reconnect(page) {
  await relay.join();
  await pass(page, async () => (await badge(page)).startsWith("LIVE"), "the page is live again");
}

test("the banner names events that were pruned while the page was disconnected", async () => {
  const { page, faults, close, ids } = await cutOff();
  const before = await allIds(page);
  const gone = await send(4);
  await stack.prune();
  const kept = await send(2);
  await reconnect(page);
  const banner = page.locator("#banner");
  const range = `${(ids.at(-1) ?? 0) + 1} to ${gone.at(-1)}`;
  await banner.getByText(`Events ${range} are missing from this list: they are no longer stored.`).waitFor();
  await page.locator(`#ticker .row[data-id="${kept.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), [...kept.reverse(), ...before]);
  await freeze(page);
  await banner.getByRole("button", { name: "Close" }).click();
  await banner.waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("the banner names events that a poll skipped", async () => {
  relay.mode = "hold";
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=gap`);
  await pass(page, async () => (await badge(page)) === "LIVE, polling", "the page polls");
  const [known = 0] = await send(1);
  await pass(page, async () => (await shownIds(page))[0] === known, "the new event is shown");
  await relay.cut();
  const link = "https://github.com/acme/gateway/actions/runs/99";
  await stack.send([event({ kind: "gap", vtid: "DEV-MISSD-0001", status: "failure", link })]);
  await stack.sendMany(10_500);
  const [last = 0] = await send(1);
  await reconnect(page);
  await page.locator(`#ticker .row[data-id="${last}"]`).waitFor();
  const text = (await page.locator("#banner", { hasText: "are missing from" }).textContent()) ?? "";
  const [, from, to] = /^Events ([\d,]+) to ([\d,]+) are missing from this list\./.exec(text) ?? [];
  assert.equal(Number(from?.replaceAll(",", "")), known + 1, text);
  const upTo = Number(to?.replaceAll(",", ""));
  assert.ok(upTo > known && last - upTo >= 10_000, text);
  await page.locator(".failures .run", { hasText: "gap" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("after the database is replaced, the list starts over", async () => {
  const { page, faults, close } = await cutOff();
  await stack.renew();
  const ids = await send(2);
  const requests = relay.requests(FEED);
  await relay.join();
  await pass(page, async () => relay.requests(FEED) > requests, "the page reconnects");
  // The gateway waits three seconds before it treats the database as restored. Do not advance the page's
  // clock during this time, because the page would then treat the connection as silent.
  await page.locator("#banner").getByText("The list has started over").waitFor();
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.reverse());
  ids.unshift(...(await send(1)));
  await page.locator(`#ticker .row[data-id="${ids[0]}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids);
  assert.deepEqual(faults, []);
  await close();
});
