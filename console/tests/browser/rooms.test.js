// Tests how the page of a room shows its lines.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { CLIPBOARD } from "./clipboard.js";
import { close as closeRoom, ENV, mint, numbered, put, texts, topOf, write } from "./rooms.js";
import { open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const ALICE = mint("alice");

/** Opens the page of a room as Alice. @param {string} room @param {object} [options] */
const enter = (room, options) => open(browser, `${stack.url}/rooms/${room}#token=${ALICE}`, options);

/** @param {import("playwright-core").Page} page @param {string} text */
const line = (page, text) => page.locator(".line .text").getByText(text, { exact: true });

/** Waits for the next frame, in which the list draws. @param {import("playwright-core").Page} page */
const drawn = (page) =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

test("the page shows the last lines of a room and each new line, and hides the token", async () => {
  await put(stack, "live-1", { title: "A build", owner: "alice" });
  await write(stack, "live-1", ["before"]);
  const { page, faults, close } = await enter("live-1");
  await line(page, "before").waitFor();
  assert.equal(page.url(), `${stack.url}/rooms/live-1`);
  await page.getByRole("heading", { name: "A build" }).waitFor();
  assert.match(await page.locator(".about-room").innerText(), /live-1 · owner alice · each signed-in user/);
  await page.locator(".room-state", { hasText: "live" }).waitFor();
  await write(stack, "live-1", [
    { message: "a warning", level: "warn", agentType: "code", metadata: { step: 7 }, vtid: "DEV-CICDL-0031" },
  ]);
  await line(page, "a warning").waitFor();
  const row = page.locator(".line.l-warn");
  assert.equal(await row.locator(".level").innerText(), "warn");
  assert.match((await row.locator("time").getAttribute("title")) ?? "", /\n\d{4}-\d\d-\d\dT.*Z$/);
  await row.getByRole("button", { name: "Details of this line" }).click();
  assert.match(await row.locator(".details").innerText(), /DEV-CICDL-0031\s+Metadata\s+step\s+7/);
  await until(async () => (await page.title()) === "A build \u00b7 OASIS DevHub", "the tab has the title");
  await page.reload();
  await line(page, "a warning").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a line is shown as text with its colours, whatever it contains", async () => {
  await put(stack, "hostile");
  const esc = "\u001b";
  const messages = [
    "<img src=x onerror=alert(1)><script>alert(2)</script>",
    `${esc}[31mred${esc}[0m and ${esc}[1mbold${esc}[0m`,
    `${esc}]8;;javascript:alert(1)${esc}\\link${esc}]8;;${esc}\\ ${esc}[2J${esc}[Hend`,
    `${esc}[38;2;0;0;0mblack${esc}[0m`,
    "\u202eevil\u202c \u0007",
  ];
  await write(stack, "hostile", messages);
  const { page, faults, close } = await enter("hostile", { colorScheme: "dark" });
  await page.locator(".line .text").nth(4).waitFor();
  assert.deepEqual(await texts(page), [
    messages[0],
    "red and bold",
    "link end",
    "black",
    "\u202eevil\u202c \u2407",
  ]);
  assert.equal(await page.locator(".line :is(img, script, a)").count(), 0);
  assert.equal(await page.locator(".t-bold").innerText(), "bold");
  const colour = (/** @type {string} */ text) =>
    page.locator(".line .text span", { hasText: text }).evaluate((span) => getComputedStyle(span).color);
  assert.match(await colour("red"), /^rgb\(2\d\d, /);
  const [r = 0] = ((await colour("black")).match(/\d+/g) ?? []).map(Number);
  assert.ok(r > 90, "black text is readable in the dark theme");
  assert.deepEqual(faults, []);
  await close();
});

test("scrolling up pauses the list, and the button with the unread count follows again", async () => {
  await put(stack, "pause");
  await write(stack, "pause", numbered(1, 200));
  const { page, faults, close } = await enter("pause");
  await line(page, "line 200").waitFor();
  const follow = page.getByRole("button", { name: "Follow", exact: true });
  assert.equal(await follow.getAttribute("aria-pressed"), "true");
  await page.locator(".log").hover();
  await page.mouse.wheel(0, -800);
  await page.getByRole("button", { name: "Follow", exact: true, pressed: false }).waitFor();
  await until(async () => (await topOf(page, "line 170")) !== null, "the earlier lines are in sight");
  const before = await topOf(page, "line 170");
  await write(stack, "pause", ["new 1", "new 2"]);
  await page.getByRole("button", { name: "2 new lines" }).waitFor();
  assert.equal(await topOf(page, "line 170"), before, "the lines do not move");
  await write(stack, "pause", ["new 3"]);
  await page.getByRole("button", { name: "3 new lines" }).click();
  await line(page, "new 3").waitFor();
  await page.locator(".unread").waitFor({ state: "hidden" });
  await write(stack, "pause", numbered(201, 300));
  await line(page, "line 300").waitFor();
  // The key does the same.
  await page.keyboard.press(" ");
  await page.getByRole("button", { name: "Follow", exact: true, pressed: false }).waitFor();
  await write(stack, "pause", ["new 4"]);
  await page.getByRole("button", { name: "1 new line" }).waitFor();
  await page.keyboard.press(" ");
  await line(page, "new 4").waitFor();
  // The reader can also scroll to the end.
  await page.mouse.wheel(0, -400);
  await page.getByRole("button", { name: "Follow", exact: true, pressed: false }).waitFor();
  await page.mouse.wheel(0, 5_000);
  await page.getByRole("button", { name: "Follow", exact: true, pressed: true }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("earlier lines are read as the reader scrolls up, and the lines in sight do not move", async () => {
  await put(stack, "long");
  const long = "word ".repeat(120);
  await write(
    stack,
    "long",
    numbered(1, 3_000).map((text, i) => (i % 7 ? text : `${text} ${long}`)),
  );
  const { page, faults, close } = await enter("long");
  await line(page, "line 3000").waitFor();
  const log = page.locator(".log");
  await log.hover();
  /** The line in the middle of the list, and its position. */
  const middle = () =>
    log.evaluate((log) => {
      const { top, height } = log.getBoundingClientRect();
      const lines = [...log.querySelectorAll(".line")];
      const found = lines.find((line) => line.getBoundingClientRect().bottom > top + height / 2);
      return [found?.querySelector(".text")?.textContent, found?.getBoundingClientRect().top];
    });
  let reads = 0;
  page.on("response", (answer) => {
    if (answer.url().includes("before=")) reads += 1;
  });
  for (let step = 0; step < 400; step++) {
    if (await line(page, "line 2").count()) break;
    await page.mouse.wheel(0, -3_000);
    await drawn(page);
    const known = reads;
    const before = await middle();
    await page.waitForTimeout(0);
    await drawn(page);
    if (reads > known) assert.deepEqual(await middle(), before, "the lines in sight have not moved");
  }
  await line(page, "line 2").waitFor();
  const made = await page.locator(".line").count();
  assert.ok(made < 150, `${made} lines are in the document`);
  await page.keyboard.press(" ");
  await line(page, "line 3000").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("filters by level and agent are in the address, and find lines that are far back", async () => {
  await put(stack, "filter");
  const noise = (/** @type {number} */ count) => Array.from({ length: count }, () => ({ message: "noise" }));
  await write(stack, "filter", [
    { message: "the old error", level: "error", agentType: "code" },
    ...noise(2_500),
    { message: "the new error", level: "error" },
    { message: "a warning", level: "warn", agentType: "code" },
  ]);
  const { page, faults, close } = await enter("filter");
  await line(page, "a warning").waitFor();
  await page.getByRole("button", { name: "error", exact: true }).click();
  await line(page, "the old error").waitFor();
  assert.deepEqual(await texts(page), ["the old error", "the new error"]);
  assert.equal(page.url(), `${stack.url}/rooms/filter?level=error`);
  await page.getByRole("button", { name: "code", exact: true }).click();
  await until(async () => (await texts(page)).join() === "the old error", "only the old error is shown");
  assert.equal(page.url(), `${stack.url}/rooms/filter?level=error&agent=code`);
  await write(stack, "filter", [
    { message: "live", level: "error", agentType: "code" },
    { message: "hidden" },
  ]);
  await line(page, "live").waitFor();
  assert.deepEqual(await texts(page), ["the old error", "live"]);
  await page.getByRole("button", { name: "error", exact: true }).click();
  await page.getByRole("button", { name: "code", exact: true }).click();
  await line(page, "hidden").waitFor();
  await page.goto(`${stack.url}/rooms/filter?level=warn`);
  await line(page, "a warning").waitFor();
  assert.deepEqual(await texts(page), ["a warning"]);
  assert.deepEqual(faults, []);
  await close();
});

test("the search marks matches, counts them, and finds matches in earlier lines", async () => {
  await put(stack, "search");
  await write(stack, "search", [
    "a Needle far back",
    ...numbered(1, 2_000),
    "needle 1",
    "x needle needle",
    "end",
  ]);
  const { page, faults, close } = await enter("search");
  await line(page, "end").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("NEEDLE");
  await page.locator(".found", { hasText: "2 lines" }).waitFor();
  assert.deepEqual(await page.locator("mark").allTextContents(), ["needle", "needle", "needle"]);
  await page.keyboard.press("Enter");
  await page.locator(".found", { hasText: "2 of 2 lines" }).waitFor();
  assert.equal(await page.locator(".line[aria-current] .text").innerText(), "x needle needle");
  await page.keyboard.press("Escape");
  await page.keyboard.press("k");
  await page.locator(".found", { hasText: "1 of 2 lines" }).waitFor();
  await page.keyboard.press("k");
  await page.locator(".line[aria-current] .text", { hasText: "a Needle far back" }).waitFor();
  assert.equal(await page.locator(".found").innerText(), "1 of 3 lines");
  await page.keyboard.press("j");
  await page.locator(".line[aria-current] .text", { hasText: "needle 1" }).waitFor();
  assert.equal(page.url(), `${stack.url}/rooms/search?q=NEEDLE`);
  assert.deepEqual(faults, []);
  await close();
});

test("the whole log can be downloaded, and the selected or shown lines copied", async () => {
  await put(stack, "files");
  await write(stack, "files", [...numbered(1, 2_200), "\u001b[31mred\u001b[0m"]);
  const { page, faults, close } = await enter("files", CLIPBOARD);
  await line(page, "red").waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "files.log");
  const lines = (await readFile(await download.path(), "utf8")).trimEnd().split("\n");
  assert.equal(lines.length, 2_201);
  assert.match(lines[0] ?? "", /^\d{4}-\d\d-\d\dT\S+Z deploy INFO line 1$/);
  assert.match(lines.at(-1) ?? "", / deploy INFO red$/);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.match(await clipboard(), /line 2200\n\S+ deploy INFO red\n$/);
  // A selection of several lines is copied in whole lines, and pauses the list.
  await page.evaluate(() => {
    const all = [...document.querySelectorAll(".line .text")];
    const [from, to] = ["line 2198", "line 2199"].map((text) => all.find((one) => one.textContent === text));
    const range = document.createRange();
    range.setStart(/** @type {Node} */ (from?.firstChild), 2);
    range.setEnd(/** @type {Node} */ (to?.firstChild), 4);
    getSelection()?.removeAllRanges();
    getSelection()?.addRange(range);
  });
  await page.getByRole("button", { name: "Follow", exact: true, pressed: false }).waitFor();
  await page.keyboard.press("Control+c");
  assert.match(await clipboard(), /^\S+ deploy INFO line 2198\n\S+ deploy INFO line 2199\n$/);
  assert.deepEqual(faults, []);
  await close();
});

test("a list that was left while it was scrolled up is where it was, with the new lines", async () => {
  await put(stack, "back");
  await write(stack, "back", numbered(1, 300));
  const { page, faults, close } = await enter("back");
  await line(page, "line 300").waitFor();
  await page.locator(".log").hover();
  await page.mouse.wheel(0, -2_000);
  await page.getByRole("button", { name: "Follow", exact: true, pressed: false }).waitFor();
  await line(page, "line 190").waitFor();
  const before = await topOf(page, "line 190");
  await page.getByRole("link", { name: "Agents" }).click();
  await page.waitForURL(`${stack.url}/agents`);
  await write(stack, "back", ["new while away"]);
  await page.goBack();
  await page.getByRole("button", { name: "1 new line" }).waitFor();
  assert.equal(await topOf(page, "line 190"), before);
  await page.getByRole("button", { name: "1 new line" }).click();
  await line(page, "new while away").waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a filter does not connect to a closed room again", async () => {
  await put(stack, "once");
  await write(stack, "once", ["a line"]);
  await closeRoom(stack, "once");
  const { page, close } = await enter("once");
  await page.getByText("This room is closed. No more lines follow.").waitFor();
  let streams = 0;
  page.on("request", (request) => {
    if (request.headers().accept === "text/event-stream") streams += 1;
  });
  await page.getByRole("button", { name: "info", exact: true }).click();
  await page.getByRole("button", { name: "info", exact: true, pressed: true }).waitFor();
  await page.getByLabel("Search the lines").fill("line");
  await page.locator(".found", { hasText: "1 line" }).waitFor();
  assert.equal(streams, 0);
  await close();
});

test("a closed room keeps its lines and says that no more follow", async () => {
  await put(stack, "closing");
  await write(stack, "closing", ["the last line"]);
  const { page, faults, close } = await enter("closing");
  await line(page, "the last line").waitFor();
  await closeRoom(stack, "closing");
  await page.getByText("This room is closed. No more lines follow.").waitFor();
  await page.locator(".room-state", { hasText: "closed" }).waitFor();
  await page.reload();
  await page.getByText("This room is closed. No more lines follow.").waitFor();
  await line(page, "the last line").waitFor();
  assert.deepEqual(faults, []);
  await close();
});
