// Checks the types that a TypeScript user of the client sees. This file is compiled but never run.

import {
  type Cast,
  type CastState,
  type CastUpdate,
  castProfile,
  mergeCast,
  queryCasts,
} from "../../client/casts.js";
import {
  listRooms,
  OasisError,
  type OasisEvent,
  OasisFeed,
  OasisStream,
  queryEvents,
  queryLines,
  type ResourceEvent,
  type RoomLine,
  resourceProfile,
  roomProfile,
} from "../../client/index.js";
import type { CloudEvent, NewLogLine, SentBuildFailed, TelemetryEvent } from "../../client/schemas.js";

const feed = new OasisFeed({ url: "https://gateway.example", filters: { status: ["failure"], vtid: "ALL" } });
feed.addEventListener("events", ({ detail }) => {
  const titles: string[] = detail.events.map((event: OasisEvent) => event.title);
  const replay: boolean = detail.replay;
  console.log(titles, replay);
});
feed.addEventListener("state", ({ detail: { state, retryAt } }) => {
  const wait: number | null = state === "reconnecting" ? retryAt : null;
  console.log(wait);
});
feed.addEventListener("gap", ({ detail }) => console.log(detail.from, detail.reason === "pruned"));
// @ts-expect-error The feed has no event with this name.
feed.addEventListener("message", () => {});
// @ts-expect-error The array is read-only.
feed.events.push({});
// @ts-expect-error No filter has this name.
feed.setFilters({ colour: "red" });
feed.setFilters({ layer: "CICDL" });

export async function failures(): Promise<string[]> {
  try {
    const { events, next } = await queryEvents({ url: "https://gateway.example", limit: 10 });
    const before: number | null = next;
    return events.map((event) => `${event.id} ${event.recorded_at} ${before}`);
  } catch (error) {
    if (error instanceof OasisError) return [error.code, error.hint ?? "", String(error.status)];
    throw error;
  }
}

const token = async (): Promise<string | null> => "a token";
const room = new OasisStream(roomProfile("build-1", { tail: 10 }), { url: "https://gateway.example", token });
room.addEventListener("lines", ({ detail }) => {
  const levels: ("info" | "warn" | "error" | "success")[] = detail.lines.map((line: RoomLine) => line.level);
  console.log(levels);
});
room.addEventListener("close", ({ detail: { reason, message } }) => console.log(reason, message));
room.addEventListener("state", ({ detail }) => console.log(detail.reason === "token_expired"));
// @ts-expect-error The stream of a room has no event with this name.
room.addEventListener("events", () => {});
// @ts-expect-error A room has no filters.
room.setFilters({});
const resources = new OasisStream(resourceProfile({ workload_id: ["api"], resource_type: "workload" }), {
  url: "https://gateway.example",
  initialRetryDelay: 500,
});
resources.addEventListener("events", ({ detail }) => {
  const states: (string | undefined)[] = detail.events.map(({ status }: ResourceEvent) => status);
  console.log(states, detail.events[0]?.event_type === "build_failed", detail.events[0]?.further);
});
// @ts-expect-error The stream of resource events has no event with this name.
resources.addEventListener("lines", () => {});
// @ts-expect-error No type of resource has this name.
resourceProfile({ resource_type: "pod" });
// @ts-expect-error A profile is required.
new OasisStream({ url: "https://gateway.example" });

export async function warnings(): Promise<string[]> {
  const { rooms } = await listRooms({ url: "https://gateway.example" });
  const { lines, cursor } = await queryLines(rooms[0]?.id ?? "", { level: ["warn"], before: 12 });
  const before: number | null = cursor;
  return lines.map(({ message, metadata }) => `${message} ${metadata !== null} ${before}`);
}

const cast = new OasisStream(castProfile("site-1"), { url: "https://gateway.example", token });
let state: CastState | null = null;
cast.addEventListener("updates", ({ detail }) => {
  for (const update of detail.updates satisfies CastUpdate[]) state = mergeCast(state, update);
  console.log(detail.updates[0]?.event === "complete", state?.status === "succeeded", state?.progress);
});
cast.addEventListener("gap", ({ detail }) => console.log(detail.reason === "too_many"));
castProfile(null, { events: ["complete"] });
// @ts-expect-error No event of a cast has this name.
castProfile("site-1", { events: ["finished"] });
// @ts-expect-error An id or null is required.
castProfile();

export async function costs(): Promise<number> {
  const { casts, pagination } = await queryCasts({ url: "https://gateway.example", page: 1 });
  const names = casts.map(({ spell }: Cast) => String(spell?.name ?? "").length);
  return casts.reduce((sum, { costCents }) => sum + (costCents ?? 0), pagination.total + names.length);
}

// The level has a default, so a line need not have one.
export const line: NewLogLine = { agentType: "code", message: "Compiling" };
export const telemetry: TelemetryEvent = { topic: "deploy.gateway.success", service: "gateway", shard: 4 };
// @ts-expect-error No field has the kind.
export const untyped: TelemetryEvent = { service: "gateway" };
const attributes = { specversion: "1.0", id: "1", source: "/ci", type: "build" } as const;
export const cloudEvent: CloudEvent = { ...attributes, data: { vtid: "DEV-CICDL-0031" }, traceid: "a1" };
// @ts-expect-error The id is missing.
export const unnamed: CloudEvent = { specversion: "1.0", source: "/ci", type: "build" };
export const seconds = ({ timestamp, error }: SentBuildFailed): number => timestamp + error.length;
