// The page of the tests of the hooks for casts. `globalThis.configure` sets what the page shows.

import { useCastEvents, useCastPolling, useCastStatus, useCasts } from "@oasis-devhub/react/casts";
import { createElement as h, StrictMode, useEffect, useReducer, useState } from "react";
import { createRoot } from "react-dom/client";

/** Renders again and again, so that each inline object is a new object. */
function useRestless() {
  const [, render] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(render, 50);
    return () => clearInterval(timer);
  }, []);
}

function View({ access, castId, name }) {
  useRestless();
  const note = (kind) => (value) =>
    globalThis.handled.push([
      name,
      kind,
      value === Boolean(value) ? value : (value.status ?? value.progress),
    ]);
  const { cast, isConnected, isOver, lastEvent, lastUpdate, reconnectCount, error } = useCastEvents(
    { castId, ...access },
    {
      onStatus: note("status"),
      onProgress: note("progress"),
      onComplete: note("complete"),
      onError: note("error"),
      onConnectionChange: note("connection"),
    },
  );
  const state = isOver ? "over" : isConnected ? "connected" : error ? "failed" : "connecting";
  return h(
    "section",
    {
      className: "view",
      "data-state": state,
      "data-last": lastEvent?.event ?? "",
      "data-update": lastUpdate ?? "",
      "data-tries": reconnectCount,
      "data-error": error?.code ?? "",
    },
    cast && h("p", null, `${cast.status} ${cast.progress} ${cast.message} ${cast.errorMessage}`),
  );
}

function Status({ access, castId }) {
  useRestless();
  return h("p", { id: "status" }, useCastStatus(castId, { ...access }).status);
}

function Polled({ access, castId }) {
  useRestless();
  const { cast, error, isLoading } = useCastPolling(castId, { ...access, interval: 1_000 });
  return h(
    "p",
    { id: "polled", "data-loading": String(isLoading), "data-error": error?.code ?? "" },
    cast?.status,
  );
}

function List({ access, limit }) {
  useRestless();
  const { casts, total, isConnected } = useCasts({ ...access, limit });
  return h(
    "ul",
    { id: "list", "data-total": total ?? "", "data-connected": String(isConnected) },
    casts.map(({ id, spell, status, attempt, progress }) =>
      h("li", { key: id }, `${spell?.name}: ${status} ${attempt} ${progress}`),
    ),
  );
}

function App() {
  const [config, setConfig] = useState({});
  globalThis.configure = (change) => setConfig((before) => ({ ...before, ...change }));
  const { url, token, views = [], status, polled, list, limit } = config;
  if (!url) return null;
  const access = { url, token };
  return [
    views.map((castId, name) => h(View, { key: name, access, castId, name })),
    status && h(Status, { key: "status", access, castId: status }),
    polled && h(Polled, { key: "polled", access, castId: polled }),
    list && h(List, { key: "list", access, limit }),
  ];
}

globalThis.handled = [];
createRoot(document.querySelector("#root")).render(h(StrictMode, null, h(App)));
