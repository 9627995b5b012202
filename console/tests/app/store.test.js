// Tests the store without a network: `fetch` answers that no event is stored.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../../app/store.js";
import { event } from "./events.js";

test("simulated runs stay known after the page has read that no event is stored", async (t) => {
  t.mock.method(globalThis, "fetch", async () => Response.json([]));
  const store = new Store(undefined);
  assert.equal(store.isSimulated, false);
  const running = event({ id: null, link: null, status: "in_progress" });
  const detail = { events: [{ ...running, simulated: true }], replay: false };
  store.feed.dispatchEvent(new CustomEvent("events", { detail }));
  await store.seed();
  assert.equal(store.seeded, "ready");
  assert.equal(store.runs.active(Date.parse(running.ts)).length, 1);
  assert.equal(store.isSimulated, true);
});
