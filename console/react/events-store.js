// Keeps the last events of the page and the state of its connection, for components anywhere in the page.

import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";

/** @typedef {import("./types.js").EventsState} EventsState */
/** @typedef {import("./types.js").SSEEvent} SSEEvent */

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {Set<(events: SSEEvent[]) => void>} */
const watchers = new Set();
/** The number of events to keep. */
let keep = 100;

/** @type {EventsState} */
let state = {
  events: [],
  connection: { connected: false, connecting: false, error: null, retryCount: 0 },
  addEvent: (event) => addEvents([event], true),
  clearEvents: () => {
    if (state.events.length > 0) change({ events: [] });
  },
  setConnectionState: (connection) => change({ connection: { ...state.connection, ...connection } }),
  getEventsByType: (type) => state.events.filter((event) => event.type === type),
  getEventsByResource: (resourceId) => state.events.filter((event) => isAbout(event, resourceId)),
};

/** @param {Partial<EventsState>} changed */
function change(changed) {
  state = { ...state, ...changed };
  for (const listener of listeners) listener();
}

/** @param {SSEEvent} event @param {string} id */
const isAbout = ({ clusterId, projectId, workloadId, data }, id) =>
  [clusterId, projectId, workloadId].includes(id) ||
  Object.keys(data).some((name) => name.endsWith("_id") && data[name] === id);

/**
 * Adds events, except those that the store has already.
 *
 * @param {SSEEvent[]} events
 * @param {boolean} isLive Whether the events are news, of which the user is notified.
 * @param {number} [most] The number of events to keep from now on.
 */
export function addEvents(events, isLive, most = keep) {
  keep = Math.max(1, most);
  const known = new Set(state.events.map(({ id }) => id));
  const fresh = events.filter(({ id }) => !known.has(id));
  if (fresh.length === 0) return;
  change({ events: state.events.concat(fresh).slice(-keep) });
  if (isLive) for (const watcher of watchers) watcher(fresh);
}

/**
 * Calls `watcher` with the news.
 *
 * @param {(events: SSEEvent[]) => void} watcher
 * @returns {() => void} Stops the calls.
 */
export function watchEvents(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** @param {() => void} listener */
function subscribe(listener) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/**
 * Reads the store. The component renders again if the selected value changes. Arrays and plain objects are
 * compared by their members, so a selector may return a new array each time.
 *
 * @template [T=EventsState]
 * @param {(state: EventsState) => T} [selector]
 * @returns {T}
 */
function useSelected(selector = /** @type {(state: EventsState) => any} */ (whole)) {
  const shown = useRef(/** @type {{ value: T } | null} */ (null));
  const get = useMemo(() => {
    /** @type {EventsState | undefined} */
    let from;
    /** @type {{ value: T } | null} */
    let selected = null;
    return () => {
      if (from !== state || selected === null) {
        const value = selector(state);
        const before = selected ?? shown.current;
        from = state;
        selected = before && isEqual(before.value, value) ? before : { value };
      }
      return selected.value;
    };
  }, [selector]);
  const value = useSyncExternalStore(subscribe, get, get);
  useEffect(() => {
    shown.current = { value };
  }, [value]);
  return value;
}

/** @param {EventsState} state */
const whole = (state) => state;

/** Compares two values, and the members of arrays and plain objects. @param {any} a @param {any} b */
function isEqual(a, b) {
  if (Object.is(a, b)) return true;
  const kind = a?.constructor;
  if ((kind !== Array && kind !== Object) || kind !== b?.constructor) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.is(a[name], b[name]));
}

export const useEventsStore = /* @__PURE__ */ Object.assign(useSelected, {
  /** The current state, for code outside of components. */
  getState: () => state,
  subscribe,
});
