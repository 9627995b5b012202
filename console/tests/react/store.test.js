import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { addEvents, watchEvents } from "../../react/events-store.js";
import { useEventsStore } from "../../react/index.js";

const store = () => useEventsStore.getState();
const event = (id, more = {}) => ({ id, type: "build_failed", timestamp: "", data: {}, ...more });
const ids = (events) => events.map(({ id }) => id);

afterEach(() => {
  store().clearEvents();
  addEvents([], false, 100);
});

test("the store keeps the last events, each once, oldest first", () => {
  for (let id = 1; id <= 150; id++) store().addEvent(event(String(id)));
  store().addEvent(event("150"));
  assert.equal(store().events.length, 100);
  assert.deepEqual([ids(store().events)[0], ids(store().events).at(-1)], ["51", "150"]);
  addEvents([], false, 2);
  store().addEvent(event("151"));
  assert.deepEqual(ids(store().events), ["150", "151"]);
  store().clearEvents();
  assert.deepEqual(store().events, []);
});

test("events are found by their type and by any resource that they name", () => {
  store().addEvent(event("1", { type: "workload_status_update", workloadId: "api", projectId: "shop" }));
  store().addEvent(event("2", { data: { build_id: "b-7" }, clusterId: "eu" }));
  store().addEvent(event("3", { data: { addon_id: "db", project_id: "shop" } }));
  assert.deepEqual(ids(store().getEventsByType("workload_status_update")), ["1"]);
  assert.deepEqual(ids(store().getEventsByType("nothing")), []);
  for (const [resource, expected] of [
    ["api", ["1"]],
    ["shop", ["1", "3"]],
    ["eu", ["2"]],
    ["b-7", ["2"]],
    ["db", ["3"]],
    ["undefined", []],
  ])
    assert.deepEqual(ids(store().getEventsByResource(resource)), expected, resource);
});

test("the state of the connection changes only where it is set", () => {
  store().setConnectionState({ connecting: true, error: "no" });
  store().setConnectionState({ connected: true, connecting: false });
  assert.deepEqual(store().connection, { connected: true, connecting: false, error: "no", retryCount: 0 });
});

test("subscribers see each change, and only news reach the toasts", () => {
  let changes = 0;
  const news = [];
  const stops = [
    useEventsStore.subscribe(() => changes++),
    watchEvents((events) => news.push(...ids(events))),
  ];
  addEvents([event("1"), event("2")], false);
  addEvents([event("2"), event("3")], true);
  addEvents([event("3")], true);
  store().addEvent(event("4"));
  for (const stop of stops) stop();
  store().addEvent(event("5"));
  assert.deepEqual([changes, news], [3, ["3", "4"]]);
});
