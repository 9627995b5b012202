import assert from "node:assert/strict";
import { test } from "node:test";

import { createElement as h } from "react";
import { renderToString } from "react-dom/server";

import {
  EventToast,
  isSSESupported,
  SSEProvider,
  useEventsStore,
  useRoomLogs,
  useSSE,
} from "../../react/index.js";
import { Server } from "../client/server.js";

function Page() {
  const { events, lastEvent, connected, connecting } = useSSE({ project_id: "shop" });
  const { lines } = useRoomLogs("build-1");
  const stored = useEventsStore((state) => state.getEventsByType("build_failed"));
  return JSON.stringify([events, lastEvent, connected, connecting, lines, stored]);
}

test("a server renders the page without a connection", async (t) => {
  const server = await Server.start(t);
  const page = (token) =>
    renderToString(h(SSEProvider, { url: server.url, token }, h(Page), h(EventToast))).replaceAll(
      "&quot;",
      '"',
    );
  assert.match(page("secret"), /^\[\[\],null,false,true,\[\],\[\]\]<div role="status"/);
  assert.match(page(null), /^\[\[\],null,false,false,\[\],\[\]\]/);
  assert.equal(server.count, 0);
  assert.ok(isSSESupported());
});

test("a hook without a provider and without a token says what is missing", () => {
  let error = null;
  const Hook = () => {
    error = useSSE().error;
    return null;
  };
  renderToString(h(Hook));
  assert.deepEqual([error.code, error.message.includes("SSEProvider")], ["token_missing", true]);
});
