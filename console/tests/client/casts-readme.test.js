import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Server } from "./server.js";

const CAST = {
  castId: "site-1",
  status: "failed",
  startedAt: null,
  finishedAt: null,
  duration: null,
  costCents: null,
  artifactUrl: null,
  errorMessage: "no",
  timestamp: "2026-01-02T03:04:05.000Z",
};

test("the README's example prints the state of a cast", { timeout: 60_000 }, async (t) => {
  const server = await Server.start(t);
  const readme = await readFile(new URL("../../client/README.md", import.meta.url), "utf8");
  const example = /## Casts\n.*?```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const program = example
    .replace("./client/casts.js", new URL("../../client/casts.js", import.meta.url))
    .replace("./client/index.js", new URL("../../client/index.js", import.meta.url))
    .replaceAll(/https:\/\/(gateway|shop)\.example/g, server.url);
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program]);
  t.after(() => child.kill());
  await server.refuse(200, {}, "secret");
  const { request } = await server.stream(`id: 7\nevent: status\ndata: ${JSON.stringify(CAST)}\n\n`);
  assert.equal(request.headers.authorization, "Bearer secret");
  const [printed] = await once(child.stdout, "data");
  assert.match(String(printed), /^failed \S+ \S+ no\n$/);
});
