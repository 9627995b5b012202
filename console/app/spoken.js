// Announces connection changes and new failures to screen readers.

import { byId, setText } from "./dom.js";

/** The minimum time between two announcements. */
const APART_MS = 20_000;

let last = { at: 0, state: "", failures: 0 };

/**
 * @param {import("./store.js").Store} store
 * @param {{ failures: number, active: number }} shown
 * @param {number} now
 */
export function speak({ feed, seeded }, { failures, active }, now) {
  const { state } = feed;
  const changed = state !== last.state && state !== "connecting";
  const more = failures > last.failures && seeded === "ready";
  if (failures < last.failures) last.failures = failures;
  if (!(changed || more) || now - last.at < APART_MS) return;
  last = { at: now, state, failures };
  const connection = state === "live" ? "Live" : state;
  setText(byId("spoken"), `${connection}. ${failures} recent failures, ${active} running or queued.`);
}
