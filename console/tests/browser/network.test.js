// What lies between the page and the gateway breaks, falls silent or holds streams back: the page says so,
// and nothing is missing or doubled once it is better.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { FEED, Relay } from "./relay.js";
import { event, inState, shownIds } from "./stack.js";
import { stage } from "./stage.js";
import { allIds, badge, freeze, openTimed, pass } from "./timed.js";

const { stack, browser } = await stage();
const relay = await Relay.start(stack.url);
after(() => relay.cut());
await stack.send([event({ kind: "first" })]);

beforeEach(() => {
  relay.way = "pass";
});

/** Events of a kind of their own. @param {string} kind @param {number} count */
const send = (kind, count) => stack.send(Array.from({ length: count }, () => event({ kind })));

test("a cut connection: the page counts down, tries at a press, and has missed nothing", async () => {
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=cut`);
  await inState(page, "live");
  const ids = await send("cut", 3);
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  await relay.cut();
  // More than the last twenty, with which a feed begins anew.
  ids.push(...(await send("cut", 70)));
  await pass(page, async () => /^RECONNECTING in ([5-9]|\d\d) s$/.test(await badge(page)), "a countdown");
  await freeze(page);
  assert.match((await page.locator("#banner").textContent()) ?? "", /can't be reached.*What is shown stays/);
  assert.deepEqual(await shownIds(page), ids.slice(0, 3).reverse());
  await relay.join();
  await page.getByRole("button", { name: "Retry now" }).click();
  await inState(page, "live");
  await page.clock.resume();
  assert.equal(await page.locator("#banner").isVisible(), false);
  ids.push(...(await send("cut", 1)));
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.reverse());
  assert.deepEqual(faults, []);
  await close();
});

test("a silent connection is given up, and the network's return is a try at once", async () => {
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=silent`);
  await inState(page, "live");
  const ids = await send("silent", 2);
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  relay.way = "silence";
  await page.context().setOffline(true);
  ids.push(...(await send("silent", 30)));
  await pass(page, async () => (await badge(page)).startsWith("RECONNECTING"), "silence is noticed");
  await pass(page, async () => /in \d\d s/.test(await badge(page)), "the waits grow");
  relay.way = "pass";
  await freeze(page);
  await page.context().setOffline(false);
  await inState(page, "live");
  await page.clock.resume();
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.reverse());
  assert.deepEqual(faults, []);
  await close();
});

test("where there is no feed the page is OFFLINE, with a button, and tries on", async () => {
  relay.way = "lost";
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=first`);
  await inState(page, "offline");
  assert.equal(await badge(page), "OFFLINE");
  const before = relay.asked(FEED);
  await pass(page, async () => relay.asked(FEED) > before, "a try by itself");
  await inState(page, "offline");
  await freeze(page);
  relay.way = "pass";
  await page.getByRole("button", { name: "Retry now" }).click();
  await inState(page, "live");
  await page.clock.resume();
  assert.equal(await page.getByRole("button", { name: "Retry now" }).isVisible(), false);
  await page.locator("#ticker .row", { hasText: "first" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("behind a proxy that holds streams back the page polls, until a stream comes through", async () => {
  relay.way = "hold";
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=held`);
  const ids = await send("held", 2);
  await pass(page, async () => (await badge(page)) === "LIVE, polling", "polling");
  await pass(page, async () => (await shownIds(page)).length === 2, "what was there");
  ids.push(...(await send("held", 130)));
  await pass(page, async () => (await shownIds(page))[0] === ids.at(-1), "what came since");
  assert.deepEqual(await allIds(page), ids.toReversed());
  await page.evaluate(() => document.querySelector("#ticker")?.scrollTo(0, 0));
  relay.way = "pass";
  await pass(page, async () => (await badge(page)) === "LIVE", "a stream");
  const polls = "/api/v1/oasis/events?limit=100";
  const polled = relay.asked(polls);
  ids.push(...(await send("held", 5)));
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.toReversed());
  await page.clock.fastForward(10_000);
  await inState(page, "live");
  assert.equal(relay.asked(polls), polled, "no more polls");
  assert.deepEqual(faults, []);
  await close();
});
