// Makes events as the feed delivers them, for the tests of the page's logic.

import { Runs } from "../../app/runs.js";

export const RUN = "https://github.com/acme/gateway/actions/runs/77";
export const START = Date.parse("2026-01-02T03:00:00.000Z");
export const NOW = START + 60_000;
export const NONE = new Set();
let ids = 0;

/** @param {Partial<import("../../app/event.js").AnyEvent> & { second?: number }} of */
export function event({ second = 0, ...of }) {
  const ts = of.ts ?? new Date(START + second * 1_000).toISOString();
  return /** @type {import("../../app/event.js").AnyEvent} */ ({
    id: ++ids,
    ts,
    vtid: "DEV-CICDL-0031",
    layer: "CICDL",
    module: "CORE",
    source: "github.actions",
    kind: "workflow_run",
    status: "queued",
    title: "",
    ref: "",
    link: RUN,
    receivedAt: Date.parse(ts),
    ...of,
  });
}

/** Makes the runs that these events report on. @param {...import("../../app/event.js").AnyEvent} events */
export function of(...events) {
  const runs = new Runs();
  for (const one of events) runs.take(one);
  return runs;
}

/**
 * Yields 200 shuffled orders of the items. Each call yields the same orders.
 *
 * @template T
 * @param {readonly T[]} items
 */
export function* orders(items) {
  let seed = 3;
  for (let round = 0; round < 200; round++) {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      seed = (seed * 48271) % 0x7fffffff;
      const j = seed % (i + 1);
      [shuffled[i], shuffled[j]] = [/** @type {T} */ (shuffled[j]), /** @type {T} */ (shuffled[i])];
    }
    yield shuffled;
  }
}
