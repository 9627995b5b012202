// The page of a workload, which follows the events of this workload only.

import { describeEvent, useSSE } from "@oasis-devhub/react";
import { Status } from "./Status.jsx";
import { clock } from "./time.js";

const isStatus = ({ event_type }) => event_type === "workload_status_update";
const isBuild = ({ event_type }) => event_type.startsWith("build_");

export function Workload({ id, known, since }) {
  // This filter is a stream of its own. It opens a second connection, which closes when the user leaves the
  // page. The object may be written inline: equal filters share a connection.
  const { events, lastEvent } = useSSE({ workload_id: id, since, maxEvents: 50 });
  // Until the first event of this stream, the page shows what the other stream has said.
  const workload = { ...known.workloads.get(id), ...events.findLast(isStatus) };
  const build = events.findLast(isBuild);
  const { project_id, cluster_id, message, replicas, available_replicas } = workload;
  return (
    <>
      <p className="quiet">
        {project_id ? "Workload of the project " : "Workload"}
        {project_id && <a href={`#/projects/${project_id}`}>{project_id}</a>}
        {cluster_id && ` in the cluster ${cluster_id}`}
      </p>
      <div className="title">
        <h1>{id}</h1>
        <Status of={workload} />
      </div>
      {message && <p>{message}</p>}
      <dl className="facts">
        <dt>Replicas</dt>
        <dd>
          {replicas === undefined ? "unknown" : `${available_replicas ?? "?"} of ${replicas} available`}
        </dd>
        <dt>Last build</dt>
        <dd>
          {build
            ? `${describe(build).title} at ${clock(build.timestamp * 1_000)}`
            : `none since ${clock(Date.parse(since))}`}
        </dd>
      </dl>
      <section className="card" aria-labelledby="history">
        <h2 id="history">Events</h2>
        <ol className="rows" reversed>
          {events.toReversed().map((event) => (
            <li key={event.id} data-new={event.id === lastEvent?.id}>
              <time>{clock(event.timestamp * 1_000)}</time>
              {isStatus(event) ? <Status of={event} /> : <span>{describe(event).title}</span>}
              <span className="quiet">{describe(event).description}</span>
            </li>
          ))}
        </ol>
        {events.length === 0 && <p className="quiet">No events since {clock(Date.parse(since))}.</p>}
      </section>
    </>
  );
}

/** Says what the toast of this event says. */
const describe = (event) => describeEvent({ type: event.event_type, data: event });
