// Starts a real stack (`oasis up`) and a real browser for tests. OASIS_BIN is the path of the binary, and
// CHROMIUM is the path of the browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";

const OASIS = process.env.OASIS_BIN;
if (!OASIS) throw new Error("OASIS_BIN is not set: set it to the path of the oasis binary");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** The maximum wait for a condition, in milliseconds: long enough for a slow machine. */
export const PATIENCE = 30_000;

/** @param {number} port @returns {Promise<boolean>} */
const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** Returns the first of three consecutive free ports. */
async function freePorts() {
  // Each process begins at a different port. All ports are below the range of the ports that the system
  // assigns.
  for (let port = 21_000 + 3 * (process.pid % 3_000); port < 32_000; port += 3) {
    const free = await Promise.all([port, port + 1, port + 2].map(isFree));
    if (free.every(Boolean)) return port;
  }
  throw new Error("no three consecutive free ports from 21000 to 32000: stop other stacks");
}

/**
 * Waits until a condition is true.
 *
 * @param {() => Promise<boolean>} condition
 * @param {string} what The expected state, for the error message.
 */
export async function until(condition, what, patience = PATIENCE) {
  const end = Date.now() + patience;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not true within ${patience} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Waits until a program answers.
 *
 * @param {string} url
 * @param {import("node:child_process").ChildProcess} child
 */
const ready = (url, child) =>
  until(
    async () => {
      if (child.exitCode !== null)
        throw new Error(`${child.spawnfile} ended with exit code ${child.exitCode}`);
      return fetch(`${url}/ready`).then(
        (answer) => answer.ok,
        () => false,
      );
    },
    `${child.spawnfile} is ready`,
    60_000,
  );

/** @param {import("node:child_process").ChildProcess} child @param {NodeJS.Signals} signal */
async function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

export class Stack {
  #data;
  #port;
  #env;
  /** @type {import("node:child_process").ChildProcess | null} */
  #process = null;

  /**
   * @param {string} data
   * @param {number} port
   * @param {Record<string, string>} env
   */
  constructor(data, port, env) {
    this.#env = env;
    this.#data = data;
    this.#port = port;
  }

  /** @param {Record<string, string>} [env] */
  static async start(env = {}) {
    const stack = new Stack(await mkdtemp(join(tmpdir(), "oasis-console-")), await freePorts(), env);
    try {
      await stack.up();
    } catch (error) {
      await stack.remove();
      throw error;
    }
    return stack;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async up() {
    const args = ["up", "--port", String(this.#port), "--data", this.#data];
    this.#process = this.#spawn(/** @type {string} */ (OASIS), args);
    await ready(this.url, this.#process);
  }

  /** @param {NodeJS.Signals} [signal] */
  async down(signal = "SIGINT") {
    const child = this.#process;
    this.#process = null;
    if (child) await stop(child, signal);
  }

  /** Starts another gateway for the same database. The program is in the same folder as `oasis`. */
  async gateway() {
    const port = await freePorts();
    const url = `http://127.0.0.1:${port}`;
    const env = { DATABASE_URL: await this.#database(), PORT: String(port), HOST: "127.0.0.1" };
    const child = this.#spawn(join(dirname(/** @type {string} */ (OASIS)), "gateway-feed"), [], env);
    try {
      await ready(url, child);
    } catch (error) {
      // A test file ends only when all of its child processes have ended.
      await stop(child, "SIGKILL");
      throw error;
    }
    return { url, stop: (/** @type {NodeJS.Signals} */ signal) => stop(child, signal) };
  }

  /** @param {string} program @param {string[]} args @param {Record<string, string>} [more] */
  #spawn(program, args, more = {}) {
    const env = { ...process.env, RUST_LOG: "error", ...this.#env, ...more };
    return spawn(program, args, { stdio: "ignore", env });
  }

  #database() {
    return readFile(join(this.#data, "database-url"), "utf8");
  }

  /** Removes all events with `oasis prune`. */
  async prune() {
    const env = { ...process.env, DATABASE_URL: await this.#database() };
    const args = ["prune", "--keep", "0s", "--everything"];
    const [code] = await once(spawn(/** @type {string} */ (OASIS), args, { stdio: "ignore", env }), "exit");
    if (code !== 0) throw new Error(`oasis prune ended with exit code ${code}`);
  }

  /** Restarts the stack with an empty database. */
  async renew() {
    await this.remove();
    await this.up();
  }

  async remove() {
    await this.down();
    await rm(this.#data, { recursive: true, force: true });
  }

  /**
   * Sends events and returns their ids.
   *
   * @param {object[]} events
   * @returns {Promise<number[]>}
   */
  async send(events) {
    const token = this.#env.INGEST_TOKENS;
    const answer = await fetch(`${this.url}/events/ingest`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(events),
    });
    if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
    return (await answer.json()).ids;
  }

  /** @param {number} count @param {object} [more] */
  async sendMany(count, more = {}) {
    for (let sent = 0; sent < count; sent += 1_000) {
      await this.send(Array.from({ length: Math.min(1_000, count - sent) }, () => event(more)));
    }
  }
}

/** @param {object} [more] */
export const event = (more = {}) => ({
  vtid: "DEV-CICDL-0031",
  source: "oasis.events",
  kind: "task.note",
  status: "info",
  ...more,
});

export const launch = () =>
  chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--enable-precise-memory-info"] });

/**
 * Opens a page and records the page's errors. Does not record failed requests, because requests fail while
 * the gateway is down.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  /** @type {string[]} */
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults, close: () => context.close() };
}

/** @param {import("playwright-core").Page} page @param {string} state */
export const inState = (page, state) => page.locator(`#state[data-state="${state}"]`).waitFor();

/**
 * The ids of the ticker's rows in the document, newest first.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number[]>}
 */
export const shownIds = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("#ticker .row[data-id]")]
      .map((row) => Number(/** @type {HTMLElement} */ (row).dataset.id))
      .sort((a, b) => b - a),
  );

/**
 * Waits for at least this many rows and returns their ids. The feed begins with twenty events, so the page
 * must read older events for a larger number.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} least
 */
export async function rowsInSight(page, least) {
  let ids = /** @type {number[]} */ ([]);
  await until(async () => {
    ids = await shownIds(page);
    return ids.length >= least;
  }, `the list has ${least} rows`);
  return ids;
}

/**
 * Presses the two keys of a chord such as `g h`. The page allows one second between the keys, so the second
 * key does not wait until the page has handled the first one, which takes longer on a busy machine.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} first
 * @param {string} second
 */
export const chord = (page, first, second) =>
  Promise.all([page.keyboard.press(first), page.keyboard.press(second)]);
