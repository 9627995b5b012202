// Checks the types that a TypeScript user of the client sees. This file is compiled but never run.

import { OasisError, type OasisEvent, OasisFeed, queryEvents } from "../../client/index.js";

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
