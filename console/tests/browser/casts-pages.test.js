// Tests the pages of casts, and the page of the audit log.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CASTS, change, ENV, mint } from "./casts.js";
import { chord, open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const ADMIN = mint("root", 3_600, { "oasis.admin": true });

/** Opens a cast. @param {object} cast */
async function openCast(cast) {
  const answer = await fetch(`${stack.url}${CASTS}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${ENV.INGEST_TOKENS}`, "Content-Type": "application/json" },
    body: JSON.stringify(cast),
  });
  assert.equal(answer.status, 201, await answer.text());
}

/** Opens a page as a user. @param {string} user @param {string} path @param {object} [options] */
const enter = (user, path, options) =>
  open(browser, `${stack.url}${path}#token=${user === "root" ? ADMIN : mint(user)}`, options);

/** @param {import("playwright-core").Page} page @param {string} text */
const row = (page, text) => page.locator(".cast-row", { hasText: text });

/** @param {import("playwright-core").Page} page @param {string} text */
const inState = (page, text) => page.locator(".cast-state").getByText(text, { exact: true }).waitFor();

test("the list shows the reader's own casts live, newest first", async () => {
  const run = { repository: "acme/site", runId: "4711", vtid: "DEV-CASTS-0001" };
  await openCast({ id: "live-1", owner: "lea", spell: "build the site", ...run });
  await openCast({ id: "others-1", owner: "someone-else" });
  const { page, faults, close } = await enter("lea", "/casts");
  await inState(page, "live");
  const first = row(page, "build the site");
  await first.waitFor();
  assert.equal(page.url(), `${stack.url}/casts`);
  assert.match(
    await first.innerText(),
    /queued\s+build the site\s*live-1\s+DEV-CASTS-0001\s+#4711\s+opened \d+s ago/,
  );
  const github = first.getByRole("link", { name: "Open run 4711 of acme/site on GitHub" });
  assert.equal(await github.getAttribute("href"), "https://github.com/acme/site/actions/runs/4711");
  await change(stack, "live-1", { status: "running", progress: 40, message: "half of it" });
  await first.getByText("running", { exact: true }).waitFor();
  await first.getByText("40 %").waitFor();
  await first.getByText("half of it").waitFor();
  assert.match(await first.locator(".since-of").innerText(), /started \d+s ago/);
  await openCast({ id: "live-2", owner: "lea" });
  await row(page, "live-2").waitFor();
  assert.deepEqual(await page.locator(".cast-row .cast").allTextContents(), ["live-2", "build the site"]);
  await change(stack, "live-1", { status: "failed", errorMessage: "no space left" });
  await first.getByText("failed", { exact: true }).waitFor();
  await first.getByText("no space left").waitFor();
  assert.match(await first.locator(".took-of").innerText(), /^\d+ m?s$/);
  assert.equal(await first.getByRole("progressbar").count(), 0);
  // A new attempt begins without the end of the last one.
  await change(stack, "live-1", { status: "running", runAttempt: 2 });
  await first.getByText("running", { exact: true }).waitFor();
  assert.equal(await first.getByText("no space left").count(), 0);
  assert.equal(await row(page, "others-1").count(), 0);
  await first.getByRole("link", { name: "DEV-CASTS-0001" }).click();
  await page.waitForURL(`${stack.url}/vtid/DEV-CASTS-0001`);
  await page.goBack();
  await first.getByText("running", { exact: true }).waitFor();
  await inState(page, "live");
  assert.deepEqual(faults, []);
  await close();
});

test("the page of a cast shows its progress and its end, and then does not connect again", async () => {
  const run = { repository: "acme/site", runId: "4712", vtid: "DEV-CASTS-0002" };
  await openCast({ id: "follow-1", owner: "pia", spell: "deploy", costCents: 1_234, ...run });
  const { page, faults, close } = await enter("pia", "/casts");
  let streams = 0;
  page.on("request", (request) => {
    if (request.url().includes("/follow-1/events")) streams += 1;
  });
  await page.getByRole("link", { name: "deploy" }).click();
  await page.waitForURL(`${stack.url}/casts/follow-1`);
  await page.getByRole("heading", { name: "deploy" }).waitFor();
  const status = page.locator('.title-line [role="status"]');
  await status.getByText("queued").waitFor();
  await inState(page, "live");
  await change(stack, "follow-1", { status: "running", progress: 25, message: "uploads the files" });
  await status.getByText("running").waitFor();
  const bar = page.getByRole("progressbar", { name: "Progress" });
  await until(async () => (await bar.getAttribute("value")) === "25", "the bar shows the progress");
  await page.getByText("uploads the files").waitFor();
  await change(stack, "follow-1", { progress: 80 });
  await page.getByText("80 %").waitFor();
  const facts = page.locator(".facts");
  const shown = await facts.innerText();
  assert.match(shown, /Spell\s+deploy\s+Owner\s+pia\s+Attempt\s+1\s+Opened\s+\S.*\s+Started\s/);
  assert.match(shown, /Duration\s+\d+ m?s\s+Cost\s+12[.,]34/);
  const github = facts.getByRole("link", { name: "Open run 4712 of acme/site on GitHub" });
  assert.equal(await github.getAttribute("href"), "https://github.com/acme/site/actions/runs/4712");
  await change(stack, "follow-1", { status: "succeeded", artifactUrl: "https://example.com/site.zip" });
  await status.getByText("succeeded").waitFor();
  await inState(page, "ended");
  const artefact = page.getByRole("link", { name: "Open the artefact" });
  assert.equal(await artefact.getAttribute("href"), "https://example.com/site.zip");
  assert.match((await artefact.getAttribute("rel")) ?? "", /noopener/);
  assert.equal(await bar.count(), 0);
  await facts.getByText("Ended").waitFor();
  await until(async () => (await page.title()) === "deploy \u00b7 OASIS DevHub", "the tab has the title");
  await page.waitForTimeout(5_000);
  assert.equal(streams, 1);
  await page.reload();
  await status.getByText("succeeded").waitFor();
  await inState(page, "ended");
  await facts.getByRole("link", { name: "DEV-CASTS-0002" }).click();
  await page.waitForURL(`${stack.url}/vtid/DEV-CASTS-0002`);
  assert.deepEqual(faults, []);
  await close();
});

test("the page of a cast that fails shows why, as text", async () => {
  const message = "<img src=x onerror=alert(1)>\nno space left";
  await openCast({ id: "fails-1", owner: "pia" });
  const { page, faults, close } = await enter("pia", "/casts/fails-1");
  await inState(page, "live");
  await change(stack, "fails-1", { status: "failed", errorMessage: message });
  await inState(page, "ended");
  assert.equal(await page.locator(".failure").textContent(), message);
  assert.equal(await page.locator("main img").count(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("a cast of another user, no cast, an id that no cast can have, and no token are explained", async () => {
  await openCast({ id: "private-1", owner: "someone-else", spell: "secret" });
  const { page, close } = await enter("eve", "/casts/private-1");
  await page.getByText(/You may not read this/).waitFor();
  await inState(page, "not connected");
  assert.equal(await page.getByText("secret").count(), 0);
  for (const id of ["nothing-here", "a%20b"]) {
    await page.goto(`${stack.url}/casts/${id}`);
    await page.getByText("This cast does not exist.").waitFor();
  }
  await page.getByRole("link", { name: "See your casts" }).click();
  await page.waitForURL(`${stack.url}/casts`);
  await page.getByText("You have no cast yet.").waitFor();
  assert.match(
    await page.locator("main pre").innerText(),
    /^curl http\S+\/api\/casts .*\s.*\s.*"owner":"eve"/,
  );
  await close();
  const other = await open(browser, `${stack.url}/casts`);
  await other.page.getByText("Sign in to read this page.").waitFor();
  await other.page.getByLabel("Token").fill("wrong");
  await other.page.getByRole("button", { name: "Use token" }).click();
  await other.page.getByText(/Your token is not accepted/).waitFor();
  await other.page.getByLabel("Token").fill(mint("eve"));
  await other.page.getByRole("button", { name: "Use token" }).click();
  await other.page.getByText("You have no cast yet.").waitFor();
  await other.close();
});

test("the user's casts beyond the first page can be shown, and the keys lead to the list", async () => {
  for (let i = 1; i <= 60; i++) await openCast({ id: `many-${i}`, owner: "max" });
  const { page, faults, close } = await enter("max", "/");
  await chord(page, "g", "c");
  await page.waitForURL(`${stack.url}/casts`);
  await row(page, "many-60").waitFor();
  assert.equal(await page.getByRole("link", { name: "Casts" }).getAttribute("aria-current"), "page");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  assert.equal(await page.locator(".cast-row").count(), 50);
  await page.getByRole("heading", { name: "Casts 60" }).waitFor();
  await page.getByRole("button", { name: "Show more" }).click();
  await page.getByRole("link", { name: "many-1", exact: true }).waitFor();
  assert.equal(await page.locator(".cast-row").count(), 60);
  await page.getByRole("button", { name: "Show more" }).waitFor({ state: "hidden" });
  await openCast({ id: "many-61", owner: "max" });
  await row(page, "many-61").waitFor();
  assert.equal(await page.locator(".cast-row").count(), 61);
  assert.deepEqual(faults, []);
  await close();
});

test("after a restart of the gateway, the list and the page of a cast show the end", async () => {
  await openCast({ id: "restart-1", owner: "rob" });
  await change(stack, "restart-1", { status: "running" });
  const list = await enter("rob", "/casts");
  const single = await enter("rob", "/casts/restart-1");
  await inState(list.page, "live");
  await inState(single.page, "live");
  await stack.down();
  await list.page.locator(".cast-state", { hasText: "reconnecting" }).waitFor();
  await stack.up();
  await change(stack, "restart-1", { status: "succeeded" });
  await row(list.page, "restart-1").getByText("succeeded", { exact: true }).waitFor();
  await inState(single.page, "ended");
  await single.page.locator(".title-line").getByText("succeeded").waitFor();
  await list.close();
  await single.close();
});

test("a user with too many streams sees the list, and why it is not live", async () => {
  await openCast({ id: "crowded-1", owner: "tom" });
  const control = new AbortController();
  const headers = { Authorization: `Bearer ${mint("tom")}` };
  for (let i = 0; i < 10; i++) {
    const answer = await fetch(`${stack.url}${CASTS}/events`, { headers, signal: control.signal });
    assert.equal(answer.status, 200);
  }
  const { page, close } = await enter("tom", "/casts");
  await page.locator(".cast-state", { hasText: /reconnecting in \d+ s/ }).waitFor();
  await page.locator(".cast-state .quiet", { hasText: /streams/ }).waitFor();
  await row(page, "crowded-1").getByText("queued", { exact: true }).waitFor();
  control.abort();
  await page.getByRole("button", { name: "Retry now" }).click();
  await inState(page, "live");
  assert.equal(await page.locator(".cast-state .quiet").count(), 0);
  await close();
});

test("administrators see who followed casts, and filter the rows", async () => {
  await openCast({ id: "seen-1", owner: "ada" });
  const ada = await enter("ada", "/casts/seen-1");
  await inState(ada.page, "live");
  await ada.page.goto(`${stack.url}/casts/private-1`);
  await ada.page.getByText(/You may not read this|does not exist/).waitFor();
  await ada.close();
  const { page, faults, close } = await enter("root", "/casts");
  await page.getByRole("link", { name: "audit log" }).click();
  await page.waitForURL(`${stack.url}/audit`);
  await page.locator(".audit-row", { hasText: "seen-1" }).first().waitFor();
  const fact = async (name) => {
    const field = page.locator(".connections .field", { has: page.getByText(name, { exact: true }) });
    return Number((await field.locator("dd").textContent()).split(" ")[0]);
  };
  await until(async () => (await fact("Begun")) >= 1, "the summary counts the stream");
  await page.getByRole("button", { name: "7 days" }).click();
  await until(async () => (await fact("Refused")) >= 1, "the summary counts the refusal");
  await page.getByLabel("User").fill("ada");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${stack.url}/audit?user=ada`);
  const words = () => page.locator(".audit-row .word").allTextContents();
  await until(async () => {
    await page.getByRole("button", { name: "Refresh" }).click();
    return [...new Set(await words())].sort().join() === "closed,opened,refused";
  }, "the log has the stream's beginning and end, and the refusal");
  assert.ok((await page.locator(".user-of").allTextContents()).every((user) => user === "ada"));
  await page.getByRole("button", { name: "closed", exact: true }).click();
  await until(async () => (await words()).every((word) => word === "closed"), "only ends are shown");
  assert.match(
    await page.locator(".audit-row").first().innerText(),
    /closed\s+ada\s+seen-1\s+client disconnect, after .*, \d+ events?\s+127\.0\.0\.1/,
  );
  await page.getByRole("button", { name: "refused", exact: true }).click();
  await page.getByText(/^403 FORBIDDEN, \/api\/casts\/private-1\/events$/).waitFor();
  assert.equal(page.url(), `${stack.url}/audit?user=ada&action=cast.sse_connection_failed`);
  await page.getByLabel("User").fill("no-such-user");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.getByText("No row matches these filters.").waitFor();
  await page.goto(`${stack.url}/audit?cast=seen-1`);
  await page.getByLabel("Cast", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("Cast", { exact: true }).inputValue(), "seen-1");
  await page.getByRole("button", { name: "ada" }).first().click();
  await page.waitForURL(`${stack.url}/audit?user=ada&cast=seen-1`);
  await page.goBack();
  await page.waitForURL(`${stack.url}/audit?cast=seen-1`);
  assert.equal(await page.getByLabel("User").inputValue(), "");
  assert.deepEqual(faults, []);
  await close();
});

test("other users may not read the audit log", async () => {
  const { page, close } = await enter("ada", "/audit");
  await page.getByText("Only administrators may read the audit log.").waitFor();
  assert.equal(await page.locator(".audit-row").count(), 0);
  assert.ok(await page.locator(".connections").isHidden());
  await page.getByLabel("Token").waitFor();
  await close();
});

test("the other pages load no file of the casts, and the pages of casts no file of the rooms", async () => {
  const { page, close } = await open(browser, "about:blank");
  /** @type {string[]} */
  const loaded = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await page.goto(`${stack.url}/agents`);
  await page.locator("tr.agent").first().waitFor();
  const ofCasts = () => loaded.filter((path) => /\/(app|client)\/cast/.test(path));
  assert.deepEqual(ofCasts(), []);
  await page.getByRole("link", { name: "Casts" }).click();
  await page.getByText("Sign in to read this page.").waitFor();
  assert.ok(ofCasts().some((path) => path.endsWith("/app/casts/casts.css")));
  assert.deepEqual(
    loaded.filter((path) => /\/(app|client)\/room/.test(path)),
    [],
  );
  await close();
});
