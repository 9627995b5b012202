import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { connected, event, Server } from "./server.js";

const client = new URL("../../client/index.js", import.meta.url);
const script = `
  const { OasisFeed } = await import("${client}");
  const feed = new OasisFeed({ url: process.argv[1] });
  feed.addEventListener("events", () => feed.stop());
  feed.addEventListener("state", ({ detail }) => console.log(detail.state, detail.reason));
  feed.start();
`;

test("after stop(), a feed with real timers and connections does not keep the process alive", {
  timeout: 60_000,
}, async (t) => {
  const server = await Server.start(t);
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script, server.url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill());
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
  });
  const ended = once(child, "close");
  const { response } = await server.stream(connected(1) + event(1));
  await once(response, "close");
  assert.deepEqual(await ended, [0, null]);
  assert.equal(out, "connecting start\nlive connected\noffline stopped\n");
});
