// Brings filters into one form, so that equal filters share one connection.

const NAMES = /** @type {const} */ ([
  "cluster_id",
  "event_types",
  "project_id",
  "resource_type",
  "workload_id",
]);

/**
 * Returns the filters with sorted lists, in a fixed order, and without empty lists and other members.
 *
 * @param {import("@oasis-devhub/client").ResourceFilters} filters
 */
export function normalised(filters) {
  /** @type {Record<string, string>} */
  const wanted = {};
  for (const name of NAMES) {
    const values = String(filters[name] ?? "")
      .trim()
      .split(/\s*,\s*/);
    const list = [...new Set(values.filter(Boolean))].sort().join(",");
    if (list) wanted[name] = list;
  }
  return wanted;
}
