// The hook below the other hooks: subscribes a component to a shared connection.

import { useCallback, useInsertionEffect, useMemo, useSyncExternalStore } from "react";
import { View } from "./view.js";

/**
 * @param {import("./types.js").Source | null} source Null means that there is no connection.
 * @param {number} max
 * @param {import("./view.js").Handlers} handlers
 * @param {import("./types.js").OasisError | null} missing The error if there is no token.
 */
export function useStream(source, max, handlers, missing) {
  const { stream, user, key } = source ?? {};
  // The source is a new object in each render, but equal keys mean equal sources.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the keys stand for the source
  const view = useMemo(() => new View(max, source !== null), [stream, user || key, max]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the source
  const subscribe = useCallback(
    (/** @type {() => void} */ listener) => view.subscribe(source, listener),
    [view, key],
  );
  // Handlers may change in each render. This effect runs before the one that subscribes.
  useInsertionEffect(() => {
    view.handlers = handlers;
  });
  const { error, ...snapshot } = useSyncExternalStore(subscribe, view.get, view.get);
  const { reconnect, disconnect, clear } = view;
  return { ...snapshot, error: error ?? missing, reconnect, disconnect, clear };
}
