// Describes resource events to the shared connections, as `useSSE` does, and records what a view sees.

import { resourceProfile } from "../../client/index.js";
import { userOf } from "../../react/user.js";
import { View } from "../../react/view.js";

// Node.js has no animation frames.
globalThis.requestAnimationFrame = (work) => setTimeout(work, 1);

let streams = 0;

/** A source whose key no other source has. */
export function source(
  url,
  { token = "secret", asks = false, since, cache = null, stream, ...options } = {},
) {
  const name = stream ?? `stream-${streams++}`;
  return {
    key: `${name} ${asks ? "()" : token}`,
    stream: name,
    user: asks ? "" : userOf(token),
    asks,
    credentials: undefined,
    options: { url, token: asks ? "" : token, initialRetryDelay: 100, ...options },
    replays: since !== undefined,
    rows: "events",
    cache,
    profile: () => resourceProfile({}, { since }),
  };
}

/** Subscribes a view, as a component does. */
export function watch(context, wanted, { max = 100, ...handlers } = {}) {
  const view = new View(max, true);
  const waiting = new Set();
  const renders = [];
  view.handlers = handlers;
  const listener = () => {
    renders.push(view.snapshot);
    for (const check of waiting) check();
  };
  let leave = view.subscribe(wanted, listener);
  const unmount = () => leave();
  context.after(unmount);
  return {
    view,
    renders,
    unmount,
    mount: (changed = wanted) => {
      leave = view.subscribe(changed, listener);
    },
    ids: () => view.snapshot.rows.map(({ id }) => id),
    until: (condition) =>
      new Promise((resolve) => {
        const check = () => {
          if (!condition(view.snapshot)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
  };
}
