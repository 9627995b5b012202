// What a screen reader is told without being asked: a change of the connection, and new failures.

import { byId, setText } from "./dom.js";

/** How often, at the most. */
const SAY_MS = 20_000;

let said = { at: 0, state: "", failures: 0 };

/**
 * @param {import("./store.js").Store} store
 * @param {{ failures: number, active: number }} shown
 * @param {number} now
 */
export function speak({ feed, seeded }, { failures, active }, now) {
  const { state } = feed;
  const changed = state !== said.state && state !== "connecting";
  const more = failures > said.failures && seeded === "ready";
  if (failures < said.failures) said.failures = failures;
  if (!(changed || more) || now - said.at < SAY_MS) return;
  said = { at: now, state, failures };
  const connection = state === "live" ? "Live" : state;
  setText(byId("spoken"), `${connection}. ${failures} recent failures, ${active} running or queued.`);
}
