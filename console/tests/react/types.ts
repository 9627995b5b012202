// Checks the types that a TypeScript user of the React package sees. This file is compiled but never run.

import type { ReactElement } from "react";
import { createElement } from "react";
import {
  type CastEvent,
  type CastState,
  type ListedCast,
  useCastEvents,
  useCastPolling,
  useCastStatus,
  useCasts,
} from "../../react/casts.js";
import {
  createEventCache,
  EventToast,
  isSSESupported,
  type ResourceEvent,
  type SSEEvent,
  SSEProvider,
  useEventsStore,
  useRoomLogs,
  useSSE,
} from "../../react/index.js";

export function Page({ projectId }: { projectId: string }): ReactElement {
  const { events, lastEvent, connected, error, retryCount, clear } = useSSE({
    project_id: projectId,
    resource_type: "workload",
    event_types: ["workload_status_update"],
    onEvent: (event) => console.log(event.workload_id?.length, event.replicas ?? 0 + 1),
  });
  const all: readonly ResourceEvent[] = events;
  if (lastEvent?.event_type === "workload_status_update") console.log(lastEvent.status, lastEvent.further);
  // @ts-expect-error No type of event has this name.
  if (lastEvent?.event_type === "workload.running") clear();
  // @ts-expect-error The array is read-only.
  events.push({});
  // @ts-expect-error No filter has this name.
  useSSE({ colour: "red" });
  // @ts-expect-error No type of resource has this name.
  useSSE({ resource_type: "pod" });
  const { lines, closed } = useRoomLogs("build-1", { tail: 10, maxLines: 200 });
  const stored: readonly SSEEvent[] = useEventsStore((state) => state.events);
  const isConnected: boolean = useEventsStore((state) => state.connection.connected);
  const whole: number =
    useEventsStore().getEventsByResource("api").length + useEventsStore.getState().events.length;
  console.log(
    all,
    connected,
    error?.hint,
    retryCount + whole,
    lines[0]?.level === "warn",
    closed,
    stored,
    isConnected,
  );
  return createElement("p");
}

export const app: ReactElement = createElement(
  SSEProvider,
  {
    url: "https://gateway.example",
    token: null,
    filters: { cluster_id: ["eu-1"] },
    persist: createEventCache(),
  },
  createElement(Page, { projectId: "shop" }),
  createElement(EventToast, {
    max: 3,
    duration: Number.POSITIVE_INFINITY,
    position: "top-right",
    filter: ({ type }) => type !== "build_complete",
    describe: ({ data }) => (isSSESupported() ? { title: data.title, variant: "warning" } : null),
    toast: (message: string, { id }: { id: string }) => console.log(message, id),
  }),
);
export const asks = createElement(SSEProvider, { token: async () => "a token", debug: true });
// @ts-expect-error A token is text.
export const wrong = createElement(SSEProvider, { token: 7 });

export function Casts({ castId }: { castId: string | undefined }): ReactElement {
  const { cast, isConnected, lastEvent, lastUpdate, reconnectCount, reconnect } = useCastEvents(
    { castId, enabled: true, maxTries: 5 },
    {
      onStatus: ({ status, cast }: CastEvent) => console.log(status, cast.startedAt),
      onProgress: ({ progress, message }) => console.log(progress, message),
      onComplete: ({ artifactUrl }) => console.log(artifactUrl),
      onError: ({ errorMessage }) => console.log(errorMessage),
      onConnectionChange: (isConnected: boolean) => console.log(isConnected),
    },
  );
  const state: CastState | null = cast;
  const { status, isOver } = useCastStatus("site-1", { token: "a token" });
  const polled = useCastPolling("site-1", { interval: 2_000 });
  const { casts, total } = useCasts({ limit: 50 });
  const list: readonly ListedCast[] = casts;
  // @ts-expect-error No status has this name.
  if (status === "cancelled") reconnect();
  // @ts-expect-error A cast has an id.
  useCastEvents({});
  // @ts-expect-error No handler has this name.
  useCastEvents({ castId }, { onFinished: () => {} });
  console.log(state?.message, isConnected, lastEvent?.event, lastUpdate, reconnectCount, isOver, total);
  console.log(polled.cast?.spell?.name, polled.error?.hint, polled.isLoading, list[0]?.progress);
  return createElement("p");
}
