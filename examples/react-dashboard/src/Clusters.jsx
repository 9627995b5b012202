// The first page: the clusters with their projects.

import { sorted, within } from "./resources.js";
import { Status } from "./Status.jsx";
import { clock } from "./time.js";

export function Clusters({ known, connected, since }) {
  const homeless = within(known.projects, "cluster_id", undefined);
  if (known.clusters.size + known.projects.size === 0) {
    return connected ? <Empty since={since} /> : <h1>Clusters</h1>;
  }
  return (
    <>
      <h1>Clusters</h1>
      {sorted(known.clusters).map(([id, cluster]) => (
        <section key={id} className="card" aria-labelledby={`cluster-${id}`}>
          <div className="title">
            <h2 id={`cluster-${id}`}>{id}</h2>
            <Status of={cluster} />
            <span className="quiet">{facts(cluster)}</span>
          </div>
          {cluster.message && <p className="quiet">{cluster.message}</p>}
          <Projects projects={within(known.projects, "cluster_id", id)} known={known} />
        </section>
      ))}
      {homeless.length > 0 && (
        <section className="card" aria-labelledby="homeless">
          <h2 id="homeless">Projects without a cluster</h2>
          <Projects projects={homeless} known={known} />
        </section>
      )}
    </>
  );
}

function facts({ kubernetes_version, node_count }) {
  const parts = [
    kubernetes_version && `Kubernetes ${kubernetes_version}`,
    node_count && `${node_count} nodes`,
  ];
  return parts.filter(Boolean).join(", ");
}

function Projects({ projects, known }) {
  return (
    <ul className="rows">
      {projects.map(([id, project]) => (
        <li key={id}>
          <a href={`#/projects/${id}`}>{id}</a>
          <Status of={project} />
          <span className="quiet">{summary(within(known.workloads, "project_id", id))}</span>
        </li>
      ))}
    </ul>
  );
}

/** Counts workloads by status, as in "5 Running, 1 Degraded". */
function summary(workloads) {
  const counts = new Map();
  for (const [, { status = "Unknown" }] of workloads) counts.set(status, (counts.get(status) ?? 0) + 1);
  const parts = sorted(counts).map(([status, count]) => `${count} ${status}`);
  return parts.join(", ") || "no workloads";
}

// The first events follow the connection within moments. The style of this element shows it only after a
// short wait, so that it does not flash up.
function Empty({ since }) {
  return (
    <div className="empty">
      <h1>No events yet</h1>
      <p>
        There were no events since {clock(Date.parse(since))}. A cluster, a project or a workload appears here
        with its next event.
      </p>
    </div>
  );
}
