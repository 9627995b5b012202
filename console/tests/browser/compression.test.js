// Tests that a proxy which compresses passes each event on at once. The rewrites of Next.js with
// `compress: true` are such a proxy: Next.js 15 uses `compression` with `http-proxy`, and Next.js 16 uses
// `compression` with `httpxy`.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import compression from "compression";
import httpProxy from "http-proxy";
import { createProxyServer } from "httpxy";
import { ENV, emit, mint, STREAM, workload } from "./resources.js";
import { open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);
const PAGE = `<!doctype html><title>test</title>${"<p>text</p>".repeat(200)}`;

/**
 * Starts a server that compresses what can be compressed, and passes requests below `/api` on to the gateway.
 *
 * @param {{ web: (request: any, response: any, options: object) => unknown }} proxy
 * @param {boolean} [keeps] Whether the proxy keeps the header that forbids to change the answer.
 */
async function serve(proxy, keeps = true) {
  const compress = compression();
  const server = createServer((request, response) =>
    compress(/** @type {any} */ (request), /** @type {any} */ (response), async () => {
      if (!request.url?.startsWith("/api/")) return response.setHeader("Content-Type", "text/html").end(PAGE);
      if (!keeps) {
        const set = response.setHeader.bind(response);
        response.setHeader = (name, value) => (/^cache-control$/i.test(name) ? response : set(name, value));
      }
      await proxy.web(request, response, { target: stack.url, changeOrigin: true });
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return `http://127.0.0.1:${port}`;
}

const PROXIES = /** @type {const} */ ([
  ["http-proxy", httpProxy.createProxyServer()],
  ["httpxy", createProxyServer()],
]);

/** The encoding of an answer. @param {string} url */
async function encoding(url) {
  const controller = new AbortController();
  const headers = { "Accept-Encoding": "gzip, br", Authorization: `Bearer ${mint("alice")}` };
  const { headers: received } = await fetch(url, { headers, signal: controller.signal });
  controller.abort();
  return received.get("content-encoding");
}

for (const [name, proxy] of PROXIES) {
  test(`behind compression and ${name}, each event arrives before the next one is written`, async () => {
    const url = await serve(proxy);
    assert.notEqual(await encoding(url), null, "the proxy compresses pages");
    assert.equal(await encoding(`${url}${STREAM}`), null);
    const { page, close } = await open(browser, url);
    await page.evaluate(
      (address) => {
        const names = /** @type {string[]} */ ([]);
        const source = new EventSource(address);
        for (const type of ["connected", "workload_status_update"])
          source.addEventListener(type, ({ data }) => names.push(JSON.parse(data).message ?? type));
        Object.assign(globalThis, { names });
      },
      `${STREAM}?workload_id=api&token=${mint("alice")}`,
    );
    const expected = ["connected"];
    /** @param {string} what */
    const seen = (what) =>
      until(async () => {
        const names = await page.evaluate(() => /** @type {any} */ (globalThis).names);
        return names.join() === expected.join();
      }, what);
    await seen("the stream begins");
    for (const message of ["one", "two", "three"]) {
      await emit(stack, workload("api", "Running", { message }));
      expected.push(message);
      await seen(`the event ${message} arrives`);
    }
    await close();
  });
}

test("without Cache-Control: no-transform, the proxy would compress the stream", async () => {
  const [, proxy] = PROXIES[0];
  const url = await serve(proxy, false);
  // The compressor keeps the first events back, and without a body, Node.js would keep the headers back too.
  proxy.once("proxyRes", (_answer, _request, response) => setImmediate(() => response.flushHeaders()));
  assert.notEqual(await encoding(`${url}${STREAM}`), null);
});
