// The page of the tests of the React package. `globalThis.configure` sets what the page shows, also after a
// reload.

import { EventToast, SSEProvider, useEventsStore, useRoomLogs, useSSE } from "@oasis-devhub/react";
import { createElement as h, StrictMode, useEffect, useReducer, useState, version } from "react";
import { createRoot } from "react-dom/client";
import { Toaster as HotToaster, toast as hotToast } from "react-hot-toast";
import { Toaster as Sonner, toast as sonner } from "sonner";

const KEY = "config";

/** Renders again and again, so that each inline object is a new object. */
function useRestless(milliseconds) {
  const [, render] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(render, milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
}

function View({ filters, persist, restless, retries, rows, name }) {
  useRestless(restless);
  const { events, lastEvent, connected, connecting, error, retryCount, maxReached, reason, ...actions } =
    useSSE({
      ...structuredClone(filters),
      ...retries,
      persist,
      onEvent: (event) => (rows ? globalThis.count++ : globalThis.handled.push([name, event.id])),
    });
  globalThis.actions[name] = actions;
  return h(
    "section",
    {
      className: "view",
      "data-state": connected ? "connected" : connecting ? "connecting" : "closed",
      "data-error": error?.code ?? "",
      "data-message": error?.message ?? "",
      "data-reason": reason ?? "",
      "data-tries": retryCount,
      "data-max": String(maxReached),
      "data-last": lastEvent?.message ?? "",
    },
    events
      .slice(-(rows ?? 100))
      .map(({ id, message, workload_id }) => h("p", { key: id }, message ?? workload_id)),
  );
}

function Log({ room }) {
  const { lines, connected, closed } = useRoomLogs(room, { maxLines: 3 });
  const state = closed ? "closed" : connected ? "connected" : "connecting";
  return h(
    "pre",
    { "data-state": state },
    lines.map(({ message }) => `${message}\n`),
  );
}

function Stored() {
  const workloads = useEventsStore((state) => state.getEventsByType("workload_status_update"));
  const { connected } = useEventsStore((state) => ({ connected: state.connection.connected }));
  return h("p", { id: "stored", "data-connected": String(connected) }, String(workloads.length));
}

const TOASTS = { own: undefined, sonner, hot: hotToast };

function App() {
  const [config, setConfig] = useState(() => JSON.parse(sessionStorage.getItem(KEY) ?? "{}"));
  globalThis.configure = (change) => {
    const next = { ...config, ...change };
    sessionStorage.setItem(KEY, JSON.stringify(next));
    setConfig(next);
  };
  const {
    url,
    token,
    asks,
    provider = {},
    views = [],
    room,
    toast,
    restless = 100,
    persist,
    retries,
  } = config;
  if (!url) return null;
  return h(
    SSEProvider,
    {
      url,
      token: asks ? () => globalThis.currentToken : token,
      filters: structuredClone(provider),
      persist,
      debug: config.debug,
      ...retries,
    },
    views.map((filters, i) =>
      h(View, { key: i, name: i, filters, persist, restless, retries, rows: config.rows }),
    ),
    room && h(Log, { room }),
    h(Stored),
    toast && h(EventToast, { toast: TOASTS[toast], ...config.toastOptions }),
    toast === "sonner" && h(Sonner),
    toast === "hot" && h(HotToaster),
  );
}

globalThis.handled = [];
globalThis.count = 0;
globalThis.actions = {};
globalThis.reactVersion = version;
createRoot(document.querySelector("#root")).render(h(StrictMode, null, h(App)));
