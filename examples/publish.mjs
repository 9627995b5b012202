// Sends two events in one request: a build begins, and the build succeeds. Both events have the same kind, so
// the second event ends the first. If the gateway can't commit the events now, tries again a few times.
//
// Each event has a `dedup_key`, and the gateway stores only one event per key. So a second try is safe, even
// if the first try succeeded and only its answer was lost.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const url = `${process.env.GATEWAY_URL ?? "http://localhost:8080"}/events/ingest`;
const token = process.env.INGEST_TOKEN ?? "none";

const event = (kind, status) => ({
  source: "oasis.events",
  kind,
  status,
  vtid: "DEV-CICDL-0031",
  module: "EXAMPLE",
  meta: { from: "publish.mjs" },
  dedup_key: randomUUID(),
});

async function publish(events) {
  for (let attempt = 0; attempt < 6; attempt++) {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(30_000),
      });
      if (response.ok) return await response.json();
      // If the request itself is wrong, another try does not help. The body describes the problem.
      if (response.status !== 503) {
        console.error(`refused with ${response.status}: ${await response.text()}`);
        process.exit(1);
      }
    } catch (error) {
      console.error("cannot reach the gateway:", error.cause?.message ?? error.message);
    }
    await sleep(1_000 * 2 ** attempt);
  }
  console.error("gave up: the gateway does not accept events");
  process.exit(1);
}

console.log(await publish([event("build", "in_progress"), event("build", "success")]));
