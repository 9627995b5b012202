// Tests that the rows of the list of events stay in place while the user reads or uses the rows.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Relay } from "./relay.js";
import { event, inState, open, rowsInSight, shownIds, until } from "./stack.js";
import { stage } from "./stage.js";
import { openTimed, pass } from "./timed.js";

const { stack, browser } = await stage();
const relay = await Relay.start(stack.url);
after(() => relay.cut());

/** @param {import("playwright-core").Page} page */
const scrolledTo = (page) => page.evaluate(() => document.querySelector("#ticker")?.scrollTop ?? -1);

/** Sends an event every 50 ms until the returned function is called. @param {object} more */
function stream(more) {
  let ends = false;
  const done = (async () => {
    while (!ends) {
      await stack.send([event(more)]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    ends = true;
    await done;
  };
}

test("on a phone, the page shows the ticker first in mock mode", async () => {
  const viewport = { width: 390, height: 844 };
  const { page, close } = await open(browser, stack.url, { viewport });
  await inState(page, "mock");
  await page.locator("#ticker .row[data-simulated]").first().waitFor();
  await stack.send([event({ kind: "first" })]);
  await page.getByRole("button", { name: "Now", pressed: true }).waitFor();
  await close();
});

test("the Back button restores the list's scroll position", async () => {
  const vtid = "DEV-BACKK-0001";
  await stack.sendMany(300, { kind: "back", vtid });
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=back`);
  // The first twenty rows are too few to scroll this far. Older rows load automatically, so try again.
  await until(async () => {
    await page.locator("#ticker").evaluate((element) => element.scrollTo(0, 3_000));
    return (await scrolledTo(page)) === 3_000;
  }, "the list has scrolled");
  for (const path of ["/agents", `/vtid/${vtid}`]) {
    if (path === "/agents") await page.getByRole("link", { name: "Agents" }).click();
    else await page.locator(".row[data-id] a.task").nth(8).click();
    await page.waitForURL(stack.url + path);
    await page.goBack();
    await until(async () => (await scrolledTo(page)) === 3_000, "the scroll position is restored");
    const middle = await page.evaluate(() => {
      const box = document.querySelector("#ticker")?.getBoundingClientRect();
      const there = box && document.elementFromPoint(box.left + 300, box.top + box.height / 2);
      return Boolean(there?.closest(".row[data-id]"));
    });
    assert.ok(middle, "rows are in sight");
  }
  assert.deepEqual(faults, []);
  await close();
});

test("the list stays paused after a filter change, a visit to a task's page and a star", async () => {
  const { page, faults, close } = await open(browser, stack.url);
  await inState(page, "live");
  await page.getByRole("button", { name: "Pause" }).click();
  const resume = page.getByRole("button", { name: "Resume" });
  await page.getByRole("button", { name: "Hide green" }).click();
  await resume.waitFor();
  await page.locator("#ticker a.task").first().click();
  await page.locator(".task-page").waitFor();
  await page.getByRole("button", { name: "Star" }).click();
  await page.goBack();
  await resume.waitFor();
  const seen = await rowsInSight(page, 1);
  await stack.send([event({ kind: "paused" })]);
  await page.locator(".unread", { hasText: "1 new" }).waitFor();
  assert.deepEqual(await shownIds(page), seen);
  assert.deepEqual(faults, []);
  await close();
});

test("a click opens a row even if new events arrive, and a resting pointer lets the list move", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=fast`);
  await stack.sendMany(50, { kind: "fast" });
  await rowsInSight(page, 20);
  const end = stream({ kind: "fast" });
  for (let i = 0; i < 4; i++) {
    const place = await page.evaluate(() => {
      const box = document.querySelector("#ticker")?.getBoundingClientRect();
      return { x: (box?.left ?? 0) + 200, y: (box?.top ?? 0) + 28 + 32 * 7 + 16 };
    });
    await page.mouse.move(place.x, place.y + i);
    const id = await page.evaluate(
      ({ x, y }) => document.elementFromPoint(x, y)?.closest(".row")?.getAttribute("data-id"),
      place,
    );
    await page.mouse.down();
    await page.waitForTimeout(90);
    await page.mouse.up();
    await page.waitForURL(`${stack.url}/?kind=fast&event=${id}`, { timeout: 3_000 });
    await page.keyboard.press("Escape");
    await page.waitForURL(`${stack.url}/?kind=fast`);
    await page.locator(".unread").click();
    await page.locator(".unread").waitFor({ state: "hidden" });
  }
  const box = await page.locator("#ticker").boundingBox();
  await page.mouse.move((box?.x ?? 0) + 100, (box?.y ?? 0) + 100);
  const [newest = 0] = await shownIds(page);
  await until(async () => ((await shownIds(page))[0] ?? 0) > newest + 5, "the list moves again", 10_000);
  await end();
  assert.deepEqual(faults, []);
  await close();
});

test("the focused row stays in sight, and the list moves again when the row loses the focus", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=fast`);
  await rowsInSight(page, 20);
  await page.keyboard.press("j");
  const focused = page.locator("#ticker .row:focus-within");
  const id = await focused.getAttribute("data-id");
  await stack.sendMany(60, { kind: "fast" });
  await page.locator(".unread", { hasText: "60 new" }).waitFor();
  assert.ok((await shownIds(page)).includes(Number(id)));
  await page.locator(".unread").click();
  await until(async () => ((await shownIds(page))[0] ?? 0) >= Number(id) + 60, "all events are shown");
  const [last] = await stack.send([event({ kind: "fast" })]);
  await page.locator(`#ticker .row[data-id="${last}"]`).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a replay that arrives after a query does not duplicate events", async () => {
  const ids = await stack.send(Array.from({ length: 12 }, () => event({ kind: "late" })));
  relay.mode = "late";
  const { page, faults, close } = await open(browser, `${relay.url}/?kind=late`);
  await rowsInSight(page, 12);
  relay.release();
  const [last] = await stack.send([event({ kind: "late" })]);
  await page.locator(`#ticker .row[data-id="${last}"]`).waitFor();
  assert.deepEqual(await shownIds(page), [...ids, last].reverse());
  assert.deepEqual(faults, []);
  await close();
});

test("an event from another day shows when it arrived and how late it is", async () => {
  const [id] = await stack.send([event({ kind: "day", ts: new Date(Date.now() - 2 * 86_400_000) })]);
  const { page, close } = await open(browser, `${stack.url}/?kind=day`);
  const cell = page.locator(`#ticker .row[data-id="${id}"] .c-time`);
  await cell.getByText(/^\+2 d$/).waitFor();
  assert.match((await cell.locator("time").textContent()) ?? "", /^[0-9:]{8}$/);
  assert.ok(await cell.evaluate((cell) => cell.scrollWidth <= cell.clientWidth), "nothing is truncated");
  await cell.locator("time").evaluate((time) => {
    time.textContent = "Nov 28, 21:39";
  });
  assert.ok(await cell.evaluate((cell) => cell.scrollWidth <= cell.clientWidth), "a date has room, too");
  await close();
});

test("when the name of a run becomes known, only the run's row changes", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=workflow_run,plain`);
  await inState(page, "live");
  const link = "https://github.com/acme/gateway/actions/runs/77";
  const [id] = await stack.send([
    event({
      source: "github.actions",
      kind: "workflow_run",
      status: "in_progress",
      link,
      meta: { name: "Named" },
    }),
    event({ kind: "plain" }),
  ]);
  const row = page.locator(`#ticker .row[data-id="${id}"]`);
  const handles = await Promise.all(
    [row, page.locator("#ticker .row:has(.kind:text('plain'))")].map((one) => one.elementHandle()),
  );
  await row.locator("b", { hasText: "Named" }).waitFor();
  for (const handle of handles) assert.ok(await handle?.evaluate((element) => element.isConnected));
  assert.deepEqual(faults, []);
  await close();
});

test("an error of the query appears at the top of the list", async () => {
  const { page, close } = await open(browser, `${stack.url}/?vtid=nonsense`);
  const note = page.locator(".ticker-note", { hasText: "The events can't be read" });
  await note.waitFor();
  const [head, box] = await Promise.all([page.locator("#ticker .head").boundingBox(), note.boundingBox()]);
  assert.equal(box?.y, (head?.y ?? 0) + (head?.height ?? 0));
  await close();
});

test("a search without matches stops after ten pages and continues on request", async () => {
  await stack.sendMany(11_500, { kind: "hay" });
  const { page, faults, close } = await open(browser, stack.url);
  await inState(page, "live");
  await rowsInSight(page, 20);
  /** @type {URL[]} */
  const asked = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.searchParams.get("limit") === "1000" && !url.searchParams.has("source")) asked.push(url);
  });
  await page.getByRole("searchbox").fill("needle");
  const note = page.locator(".ticker-note");
  await note.getByText(/Searched back to .*: no events matched/).waitFor();
  assert.equal(asked.length, 10);
  await note.getByRole("button", { name: "Search further" }).click();
  await note.getByText("No event matches these filters").waitFor();
  assert.ok(asked.length <= 13, `the page sent ${asked.length} queries`);
  const [id] = await stack.send([event({ kind: "needle" })]);
  await page.locator(`#ticker .row[data-id="${id}"]`).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a paused list keeps its rows, even if 58,000 events arrive", async () => {
  const { page, faults, close } = await open(browser, `${stack.url}/?kind=hay`);
  await rowsInSight(page, 20);
  await page.getByRole("button", { name: "Pause" }).click();
  const seen = await shownIds(page);
  await stack.sendMany(58_000, { kind: "hay" });
  await until(
    async () => /^58,000 new/.test((await page.locator(".unread").textContent()) ?? ""),
    "all events are counted",
    120_000,
  );
  assert.deepEqual(await shownIds(page), seen);
  await page.getByRole("button", { name: "Resume" }).click();
  const [last = 0] = await stack.send([event({ kind: "hay" })]);
  await until(async () => (await shownIds(page))[0] === last, "the newest event is shown");
  assert.ok(
    (await page.evaluate(() => Number(document.querySelector("#ticker")?.getAttribute("aria-rowcount")))) >
      40_000,
  );
  assert.deepEqual(faults, []);
  await close();
});

test("some time after an opened event is closed, the list moves again", async () => {
  const [first = 0] = await stack.send([event({ kind: "opened" })]);
  const { page, faults, close } = await openTimed(browser, `${stack.url}/?kind=opened`);
  await page.locator(`#ticker .row[data-id="${first}"]`).click();
  await page.getByRole("button", { name: "Close" }).click();
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  const [second = 0] = await stack.send([event({ kind: "opened" })]);
  await page.getByRole("button", { name: "1 new" }).waitFor();
  await pass(page, async () => (await shownIds(page))[0] === second, "the list moves again");
  assert.deepEqual(faults, []);
  await close();
});

test("after j in the drawer, closing the drawer focuses the row of the event shown last", async () => {
  const ids = await stack.send(Array.from({ length: 40 }, () => event({ kind: "reading" })));
  const { page, close } = await open(browser, `${stack.url}/?kind=reading`);
  const newest = ids.at(-1) ?? 0;
  await page.locator(`#ticker .row[data-id="${newest}"]`).click();
  await page.waitForURL(`${stack.url}/?kind=reading&event=${newest}`);
  for (let i = 1; i <= 35; i++) {
    await page.keyboard.press("j");
    await page.waitForURL(`${stack.url}/?kind=reading&event=${newest - i}`);
  }
  await page.keyboard.press("Escape");
  await page.waitForURL(`${stack.url}/?kind=reading`);
  const focused = () =>
    page.evaluate(() =>
      Number(/** @type {HTMLElement} */ (document.activeElement?.closest(".row"))?.dataset.id),
    );
  await until(async () => (await focused()) === newest - 35, "the row of the event shown last has the focus");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${stack.url}/?kind=reading&event=${newest - 35}`);
  await close();
});

test("the key j starts at the rows in sight, not at a row that was selected long ago", async () => {
  await stack.send([event({ kind: "stale" })]);
  const { page, close } = await open(browser, `${stack.url}/?kind=stale`);
  await page.locator("#ticker .row[data-id]").click();
  await page.keyboard.press("Escape");
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  const ids = await stack.send(Array.from({ length: 90 }, () => event({ kind: "stale" })));
  await page.locator(`#ticker .row[data-id="${ids.at(-1)}"]`).waitFor();
  await page.keyboard.press("j");
  await page.locator(`#ticker .row[aria-current="true"][data-id="${ids.at(-1)}"]`).waitFor();
  assert.equal(await scrolledTo(page), 0);
  await close();
});
