// Defines `SSEProvider`: the connection of the page, whose events go to the events store.

import { createElement, useEffect, useInsertionEffect, useMemo, useRef } from "react";
import { AccessContext, tokenKey } from "./access.js";
import { addEvents, useEventsStore } from "./events-store.js";
import { useResources } from "./use-sse.js";
import { userOf } from "./user.js";

/** @typedef {import("./types.js").SSEProviderProps} Props */

let logins = 0;

/**
 * Connects while there is a token. The hooks below the provider use its address and its token.
 *
 * @param {Props} props
 */
export function SSEProvider({ children, ...props }) {
  const { url, token, credentials } = props;
  const latest = useRef(token);
  // This effect runs before those in which the hooks connect.
  useInsertionEffect(() => {
    latest.current = token;
  });
  const asks = typeof token === "function";
  // A new function is the same user, but only until the user signs out.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const login = useMemo(() => ++logins, [asks]);
  const key = tokenKey(token, login);
  const text = asks ? null : (token ?? null);
  const access = useMemo(() => {
    const ask = () => {
      const { current } = latest;
      return typeof current === "function" ? current() : current;
    };
    return { url, credentials, token: asks ? ask : text, tokenKey: key };
  }, [url, credentials, asks, text, key]);
  // The events of one user must not stay in the store for the next one.
  const user = userOf(text ?? "") || key;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the store is emptied for each user
  useEffect(() => () => useEventsStore.getState().clearEvents(), [user]);
  return createElement(AccessContext.Provider, { value: access }, createElement(Connection, props), children);
}

/**
 * Follows the events in a component of its own, so that an event does not render the page.
 *
 * @param {Props} props
 */
function Connection({ filters, debug, ...options }) {
  const { connected, connecting, error, retryCount, gap } = useResources(
    // The token of the context has an identity that the other hooks know.
    { ...filters, ...options, token: undefined },
    (rows, isLive) => addEvents(rows.map(toStored), isLive, options.maxEvents ?? 100),
  );
  useEffect(
    () => () => useEventsStore.getState().setConnectionState({ connected: false, connecting: false }),
    [],
  );
  useEffect(() => {
    const message = error?.message ?? null;
    useEventsStore.getState().setConnectionState({ connected, connecting, error: message, retryCount });
  }, [connected, connecting, error, retryCount]);
  useEffect(() => {
    // The ids begin again.
    if (gap?.reason === "reset") useEventsStore.getState().clearEvents();
  }, [gap]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `debug` is no news
  useEffect(() => {
    const text = connected ? "Connected to event stream" : "Disconnected";
    if (debug) console.log(`[SSE] ${error ? `Connection error: ${error.message}` : text}`);
  }, [connected, error]);
  return null;
}

/**
 * @param {import("./types.js").ResourceEvent} event
 * @returns {import("./types.js").SSEEvent}
 */
function toStored(event) {
  const { id, event_type, timestamp, cluster_id, project_id, workload_id } = event;
  const at = new Date(timestamp * 1_000);
  return {
    id: String(id),
    type: event_type,
    timestamp: Number.isNaN(at.getTime()) ? "" : at.toISOString(),
    data: event,
    clusterId: cluster_id,
    projectId: project_id,
    workloadId: workload_id,
  };
}
