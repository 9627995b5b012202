// Tests network failures: the connection breaks or falls silent, or a proxy holds streams back. The page must
// report the failure. Afterwards no event may be missing or duplicated.

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
  relay.mode = "pass";
});

/** Sends events of one kind. @param {string} kind @param {number} count */
const send = (kind, count) => stack.send(Array.from({ length: count }, () => event({ kind })));

test("after a cut connection, the page counts down, retries on request, and loses no event", async () => {
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=cut`);
  await inState(page, "live");
  const ids = await send("cut", 3);
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  await relay.cut();
  // A feed that does not resume begins with the last twenty events, so send more than twenty.
  ids.push(...(await send("cut", 70)));
  await pass(page, async () => /^RECONNECTING in ([5-9]|\d\d) s$/.test(await badge(page)), "the page waits");
  await freeze(page);
  const banner = (await page.locator("#banner").textContent()) ?? "";
  assert.match(banner, /can't be reached.*The events shown here stay/);
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

test("a silent connection is dropped, and the page retries at once when the network returns", async () => {
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=silent`);
  await inState(page, "live");
  const ids = await send("silent", 2);
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  relay.mode = "silence";
  await page.context().setOffline(true);
  ids.push(...(await send("silent", 30)));
  await pass(page, async () => (await badge(page)).startsWith("RECONNECTING"), "the page detects silence");
  await pass(page, async () => /in \d\d s/.test(await badge(page)), "the waits grow");
  relay.mode = "pass";
  await freeze(page);
  await page.context().setOffline(false);
  await inState(page, "live");
  await page.clock.resume();
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.reverse());
  assert.deepEqual(faults, []);
  await close();
});

test("if the feed returns 404, the page shows OFFLINE, offers a retry, and keeps trying", async () => {
  relay.mode = "lost";
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=first`);
  await inState(page, "offline");
  assert.equal(await badge(page), "OFFLINE");
  const before = relay.requests(FEED);
  await pass(page, async () => relay.requests(FEED) > before, "the page retries");
  await inState(page, "offline");
  await freeze(page);
  relay.mode = "pass";
  await page.getByRole("button", { name: "Retry now" }).click();
  await inState(page, "live");
  await page.clock.resume();
  assert.equal(await page.getByRole("button", { name: "Retry now" }).isVisible(), false);
  await page.locator("#ticker .row", { hasText: "first" }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("behind a proxy that holds streams back, the page polls until a stream gets through", async () => {
  relay.mode = "hold";
  const { page, faults, close } = await openTimed(browser, `${relay.url}/?kind=held`);
  const ids = await send("held", 2);
  await pass(page, async () => (await badge(page)) === "LIVE, polling", "the page polls");
  await pass(page, async () => (await shownIds(page)).length === 2, "the stored events are shown");
  ids.push(...(await send("held", 130)));
  await pass(page, async () => (await shownIds(page))[0] === ids.at(-1), "the new events are shown");
  assert.deepEqual(await allIds(page), ids.toReversed());
  await page.evaluate(() => document.querySelector("#ticker")?.scrollTo(0, 0));
  relay.mode = "pass";
  await pass(page, async () => (await badge(page)) === "LIVE", "the page streams");
  const poll = "/api/v1/oasis/events?limit=100";
  const polls = relay.requests(poll);
  ids.push(...(await send("held", 5)));
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  assert.deepEqual(await allIds(page), ids.toReversed());
  await page.clock.fastForward(10_000);
  await inState(page, "live");
  assert.equal(relay.requests(poll), polls, "the page has stopped polling");
  assert.deepEqual(faults, []);
  await close();
});
