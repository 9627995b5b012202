// Sends resource events for tests.

import { ENV } from "./rooms.js";

export const STREAM = "/api/v1/events/stream";

/** The environment of a stack with users and with a service that sends resource events. */
export { ENV, mint } from "./rooms.js";

/** A workload with a new status. @param {string} id @param {string} status @param {object} [more] */
export const workload = (id, status, more = {}) => ({
  event_type: "workload_status_update",
  workload_id: id,
  project_id: "shop",
  cluster_id: "eu-1",
  status,
  ...more,
});

/**
 * Sends events as the service.
 *
 * @param {{ url: string }} stack
 * @param {object[]} events
 */
export async function emit(stack, ...events) {
  const answer = await fetch(`${stack.url}/api/v1/events`, {
    method: "POST",
    headers: { Authorization: `Bearer ${ENV.INGEST_TOKENS}`, "Content-Type": "application/json" },
    body: JSON.stringify(events),
  });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
}
