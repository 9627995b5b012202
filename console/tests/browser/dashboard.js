// Builds the app in examples/react-dashboard, serves it, and logs in for tests.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { mint } from "./rooms.js";
import { open } from "./stack.js";

const APP = fileURLToPath(new URL("../../../examples/react-dashboard/", import.meta.url));
const TYPES = /** @type {Record<string, string>} */ ({
  html: "text/html; charset=utf-8",
  css: "text/css",
  js: "text/javascript",
});

/**
 * Runs a command of Vite in the folder of the app.
 *
 * @param {string[]} args
 * @param {Record<string, string>} env
 */
const vite = (args, env) =>
  spawn(process.execPath, ["node_modules/vite/bin/vite.js", ...args], {
    cwd: APP,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });

/**
 * Builds the app for a gateway, and serves it from another origin until the last test of the file.
 *
 * @param {string} gateway
 */
export async function serveBuilt(gateway) {
  const folder = await mkdtemp(join(tmpdir(), "oasis-dashboard-"));
  after(() => rm(folder, { recursive: true, force: true }));
  const building = vite(["build", "--outDir", folder, "--emptyOutDir", "--logLevel", "warn"], {
    VITE_GATEWAY_URL: gateway,
  });
  building.stdout.resume();
  const [code] = await once(building, "exit");
  if (code !== 0) throw new Error(`vite build ended with exit code ${code}`);
  const server = createServer(async ({ url = "/" }, answer) => {
    const { pathname } = new URL(url, gateway);
    const name = pathname === "/" ? "index.html" : pathname.slice(1);
    answer.setHeader("Content-Type", TYPES[name.split(".").at(-1) ?? ""] ?? "text/plain");
    answer.end(await readFile(join(folder, name)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return `http://127.0.0.1:${port}/`;
}

/**
 * Starts the dev server, whose proxy passes requests on to a gateway, until the last test of the file.
 *
 * @param {string} gateway
 * @returns {Promise<string>}
 */
export async function serveForDevelopment(gateway) {
  const server = vite(["--host", "127.0.0.1", "--port", "0"], { GATEWAY_URL: gateway, NO_COLOR: "1" });
  after(async () => {
    server.kill();
    await once(server, "exit");
  });
  let printed = "";
  for await (const chunk of server.stdout) {
    printed += chunk;
    const address = /http:\/\/127\.0\.0\.1:\d+\//.exec(printed)?.[0];
    if (address) return address;
  }
  throw new Error(`the dev server printed no address: ${printed}`);
}

/**
 * Opens the app and logs in. Closes the page after the test.
 *
 * @param {import("node:test").TestContext} t
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {() => string} [token]
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function logIn(t, browser, url, token = () => mint("alice"), options = {}) {
  const opened = await open(browser, url, options);
  const { page } = opened;
  t.after(opened.close);
  let attempts = 0;
  page.on("request", (request) => {
    if (request.url().includes("/events/stream") && request.method() === "GET") attempts += 1;
  });
  await page.getByLabel("Token").fill(token());
  await page.getByRole("button", { name: "Log in" }).click();
  return {
    ...opened,
    /** The badge in the header. @param {string} label */
    inState: (label) => page.locator("header .status", { hasText: label }).waitFor(),
    /** How often the page has tried to connect. */
    attempts: () => attempts,
    notice: page.locator(".notice"),
    toasts: page.locator("[data-variant]"),
    /** A number in the metrics panel. @param {string} name */
    metric: (name) => page.locator("aside dt", { hasText: name }).locator("+ dd").innerText(),
  };
}

/** The number of clients that follow resource events, as the gateway counts them. @param {string} gateway */
export async function subscribers(gateway) {
  const metrics = await (await fetch(`${gateway}/metrics`)).text();
  return Number(/^resource_subscribers (\d+)$/m.exec(metrics)?.[1] ?? 0);
}
