// Serves the pages of the tests of the React package, with React 18 and with React 19, from another origin
// than the gateway's.

import { createServer } from "node:http";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { open, until } from "./stack.js";

export const VERSIONS = [18, 19];

/** The packages of React 18 are in a folder of their own. @param {string} name */
const of18 = (name) => fileURLToPath(new URL(`../react-18/node_modules/${name}`, import.meta.url));

/**
 * Bundles a page.
 *
 * @param {string} entry
 * @param {number} version
 * @param {"development" | "production"} mode
 */
async function bundle(entry, version, mode) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    alias: version === 18 ? { react: of18("react"), "react-dom": of18("react-dom") } : {},
    define: { "process.env.NODE_ENV": JSON.stringify(mode) },
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}

/**
 * Serves a page until the last test of the file.
 *
 * @param {string} entry
 * @param {number} version The version of React.
 * @param {"development" | "production"} [mode] In development, StrictMode mounts each component twice.
 */
export async function serve(entry, version, mode = "development") {
  const script = await bundle(entry, version, mode);
  const server = createServer(({ url }, answer) => {
    const isScript = url === "/page.js";
    answer.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    const html = `<!doctype html><title>t</title><div id="root"></div><script type="module" src="page.js">`;
    answer.end(isScript ? script : `${html}</script>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  after(() => server.close());
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return `http://127.0.0.1:${port}/`;
}

/**
 * Opens a page and sets what it shows.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {object} config
 */
export async function show(browser, url, config) {
  const opened = await open(browser, url);
  const { page } = opened;
  /** @param {object} change */
  const configure = (change) => page.evaluate((change) => globalThis.configure(change), change);
  await page.waitForFunction(() => "configure" in globalThis);
  await configure(config);
  const views = page.locator(".view");
  return {
    ...opened,
    configure,
    views,
    /** Waits until all views are in a state. @param {string} state */
    inState: (state) =>
      until(async () => {
        const states = await views.evaluateAll((all) => all.map((view) => view.dataset.state));
        return states.length > 0 && states.every((one) => one === state);
      }, `all views are ${state}`),
    /** The texts of the events in a view. */
    texts: (view = 0) => views.nth(view).locator("p").allTextContents(),
  };
}

/** Waits until a count has a value, and then checks that it keeps the value for some time. */
export async function stays(count, expected, what, milliseconds = 500) {
  await until(async () => (await count()) === expected, what);
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    const now = await count();
    if (now !== expected) throw new Error(`${what}: ${now} instead of ${expected}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
