// The page of a project: its workloads and its add-ons.

import { within } from "./resources.js";
import { Status } from "./Status.jsx";
import { clock } from "./time.js";

export function Project({ id, known }) {
  const project = known.projects.get(id);
  const workloads = within(known.workloads, "project_id", id);
  const addons = within(known.addons, "project_id", id);
  return (
    <>
      <p className="quiet">Project{project?.cluster_id && ` in the cluster ${project.cluster_id}`}</p>
      <div className="title">
        <h1>{id}</h1>
        <Status of={project} />
      </div>
      {project?.message && <p className="quiet">{project.message}</p>}
      <section className="card" aria-labelledby="workloads">
        <h2 id="workloads">Workloads</h2>
        <ul className="rows">
          {workloads.map(([id, workload]) => (
            <Row key={id} name={<a href={`#/workloads/${id}`}>{id}</a>} resource={workload} />
          ))}
        </ul>
        {workloads.length === 0 && <p className="quiet">No event has named a workload of this project.</p>}
      </section>
      {addons.length > 0 && (
        <section className="card" aria-labelledby="addons">
          <h2 id="addons">Add-ons</h2>
          <ul className="rows">
            {addons.map(([id, addon]) => (
              <Row key={id} name={id} resource={addon} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Row({ name, resource }) {
  return (
    <li>
      <span>{name}</span>
      <Status of={resource} />
      <span className="quiet">
        {resource.message} {resource.timestamp && <time>{clock(resource.timestamp * 1_000)}</time>}
      </span>
    </li>
  );
}
