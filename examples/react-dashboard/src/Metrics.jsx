// The metrics panel: the rate of events, their types, and the connection.

import { useEventsStore } from "@oasis-devhub/react";
import { useEffect, useState } from "react";
import { byType, perMinute } from "./metrics.js";
import { useNow } from "./time.js";

const MINUTES = 30;

export function Metrics({ connected }) {
  // A selector returns a part of the store. The component renders again only if this part changes.
  const events = useEventsStore((state) => state.events);
  const connection = useEventsStore((state) => state.connection);
  const reconnects = useReconnects(connected);
  const counts = perMinute(events, useNow(5_000), MINUTES);
  const most = Math.max(...counts);
  return (
    <aside aria-labelledby="metrics" className="card">
      <h2 id="metrics">Metrics</h2>
      <dl className="facts">
        <dt>Events in the last minute</dt>
        <dd>{counts.at(-1)}</dd>
        <dt>Connection</dt>
        <dd>{connection.connected ? "open" : connection.connecting ? "connecting" : "closed"}</dd>
        <dt>Reconnects</dt>
        <dd>{reconnects}</dd>
      </dl>
      <svg
        role="img"
        aria-label={`Events per minute in the last ${MINUTES} minutes: at most ${most}`}
        viewBox={`0 0 ${MINUTES} 10`}
        preserveAspectRatio="none"
      >
        {counts.map((count, minute) => {
          const height = most === 0 ? 0 : (10 * count) / most;
          return <rect key={minute} x={minute + 0.1} y={10 - height} width={0.8} height={height} />;
        })}
      </svg>
      {events.length > 0 && <h3>Events by type</h3>}
      <dl className="facts">
        {byType(events).map(([type, count]) => (
          <div key={type}>
            <dt>{type}</dt>
            <dd>{count}</dd>
          </div>
        ))}
      </dl>
    </aside>
  );
}

/** How often the connection was opened again. */
function useReconnects(connected) {
  const [opened, setOpened] = useState(0);
  useEffect(() => {
    if (connected) setOpened((count) => count + 1);
  }, [connected]);
  return Math.max(0, opened - 1);
}
