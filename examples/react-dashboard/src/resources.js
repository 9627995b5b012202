// Collects what the events say about the resources. The stream is the only source: a resource about which no
// event has arrived is unknown.

/** The state before the first event. The ids come from outside, so the collections are maps. */
export const NOTHING = {
  lastId: 0,
  clusters: new Map(),
  projects: new Map(),
  workloads: new Map(),
  addons: new Map(),
};

/**
 * Adds the events that are newer than the state, and returns the new state. `events` is the list of `useSSE`:
 * it may begin with events that were added before.
 */
export function addEvents(known, events) {
  const lastId = events.at(-1)?.id;
  if (lastId === undefined || lastId === known.lastId) return known;
  // After the database was restored, the ids begin again.
  const before = lastId < known.lastId ? NOTHING : known;
  const next = {
    lastId,
    clusters: new Map(before.clusters),
    projects: new Map(before.projects),
    workloads: new Map(before.workloads),
    addons: new Map(before.addons),
  };
  for (const event of events) if (event.id > before.lastId) add(next, event);
  return next;
}

function add({ clusters, projects, workloads, addons }, event) {
  const { event_type, cluster_id, project_id, workload_id, addon_id } = event;
  // An event of a workload also shows that its project and its cluster exist.
  merge(clusters, cluster_id, {});
  merge(projects, project_id, { cluster_id });
  merge(workloads, workload_id, { project_id, cluster_id });
  switch (event_type) {
    case "cluster_status_update":
      return merge(clusters, cluster_id, event);
    case "project_status_update":
      return merge(projects, project_id, event);
    case "workload_status_update":
      return merge(workloads, workload_id, event);
    case "addon_status_update":
      return merge(addons, addon_id, event);
    // Builds and error reports do not change the status of a resource.
    default:
  }
}

/** Adds fields to a resource. A field that is undefined leaves the field before it. */
function merge(map, id, fields) {
  if (id === undefined) return;
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  map.set(id, { ...map.get(id), ...Object.fromEntries(given) });
}

/** The entries of a map whose resources have this value in a field, sorted by id. */
export const within = (map, field, value) => sorted(map).filter(([, resource]) => resource[field] === value);

export const sorted = (map) => [...map].sort(([a], [b]) => a.localeCompare(b));
