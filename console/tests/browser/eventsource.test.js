// Tests a client in the wild: a native `EventSource` with the token in the address, which parses each message
// without a check and shows a toast for it.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { stays } from "./react-stage.js";
import { Relay } from "./relay.js";
import { ENV, emit, mint, STREAM, workload } from "./resources.js";
import { open, until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);

/** Runs in the page. @param {string} address */
function listen(address) {
  const seen = { toasts: [], states: [], control: [] };
  globalThis.seen = seen;
  const source = new EventSource(address);
  source.onopen = () => seen.states.push("open");
  source.onerror = () => seen.states.push(source.readyState === EventSource.CLOSED ? "closed" : "lost");
  source.onmessage = ({ data }) => seen.control.push(`unnamed: ${data}`);
  for (const name of ["connected", "heartbeat"])
    source.addEventListener(name, ({ data }) => seen.control.push(JSON.parse(data).event_type));
  for (const name of [
    "workload_status_update",
    "addon_status_update",
    "project_status_update",
    "cluster_status_update",
    "build_complete",
    "build_failed",
    "error_report",
  ])
    source.addEventListener(name, ({ data }) => {
      const event = JSON.parse(data);
      if (event.event_type !== name || typeof event.timestamp !== "number") throw new Error(data);
      if (Object.values(event).some((value) => typeof value === "object" && value !== null))
        throw new Error(data);
      seen.toasts.push(event.message);
    });
}

test("a native EventSource works unchanged", { timeout: 180_000 }, async () => {
  const relay = await Relay.start(stack.url);
  after(() => relay.cut().catch(() => {}));
  await emit(stack, workload("api", "Failed", { message: "past" }));
  const { page, faults, close } = await open(browser, `${stack.url}/health`);
  const address = `${relay.url}${STREAM}?token=${mint("alice")}`;
  const seen = () => page.evaluate(() => globalThis.seen);
  await page.evaluate(listen, address);
  await until(async () => (await seen()).control.includes("connected"), "the stream has begun");
  const all = [
    workload("api", "Running", { message: "a" }),
    {
      event_type: "addon_status_update",
      addon_id: "db",
      project_id: "shop",
      status: "Running",
      message: "b",
    },
    {
      event_type: "project_status_update",
      project_id: "shop",
      cluster_id: "eu-1",
      status: "Ready",
      message: "c",
    },
    { event_type: "cluster_status_update", cluster_id: "eu-1", status: "healthy", message: "d" },
    {
      event_type: "build_complete",
      build_id: "7",
      workload_id: "api",
      image_digest: "sha256:0",
      build_duration: 12.5,
      message: "e",
    },
    { event_type: "build_failed", build_id: "8", workload_id: "api", error: "no space", message: "f" },
    { event_type: "error_report", error_type: "oom", message: "g" },
  ];
  await emit(stack, ...all);
  const toasts = async () => (await seen()).toasts.join("");
  await until(async () => (await toasts()).length >= 7, "each event is shown");
  assert.equal(await toasts(), "abcdefg", "no toast is of the past");
  await relay.cut();
  await until(async () => (await seen()).states.includes("lost"), "the connection is lost");
  await emit(stack, workload("api", "Running", { message: "h" }));
  await relay.join();
  await until(async () => (await toasts()).length >= 8, "the missed event is shown");
  await stays(toasts, "abcdefgh", "no toast is shown twice after a reconnect", 1_500);
  await until(async () => (await seen()).control.includes("heartbeat"), "a heartbeat arrives");
  assert.ok((await seen()).control.every((name) => name === "connected" || name === "heartbeat"));
  await page.reload();
  await page.evaluate(listen, address);
  await until(async () => (await seen()).control.includes("connected"), "the stream has begun");
  await stays(toasts, "", "no toast is of the past after a reload", 1_500);
  assert.deepEqual(faults, []);
  await close();
});
