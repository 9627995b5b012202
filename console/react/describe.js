// Describes events for the user: what a toast says, and what it looks like.

/** @typedef {import("./types.js").Variant} Variant */
/** @typedef {import("./types.js").Description} Description */

/** @type {Record<string, Variant>} */
const VARIANTS = {
  Running: "success",
  Ready: "success",
  healthy: "success",
  Degraded: "warning",
  Failed: "error",
  Error: "error",
  unhealthy: "error",
};

/** @type {Record<string, string>} */
const RESOURCES = { workload: "Workload", addon: "Add-on", project: "Project", cluster: "Cluster" };

/**
 * Describes an event.
 *
 * @param {import("./types.js").SSEEvent} event
 * @returns {Description}
 */
export function describeEvent({ type, data }) {
  const { status, message, error, build_id, workload_id, error_type } = data;
  const build = `Build ${build_id} of ${workload_id}`;
  switch (type) {
    case "build_complete":
      return { title: `${build} succeeded`, description: message, variant: "success" };
    case "build_failed":
      return { title: `${build} failed`, description: error ?? message, variant: "error" };
    case "error_report":
      return { title: `Error: ${error_type}`, description: message, variant: "error" };
  }
  const [resource = ""] = type.split("_");
  const name = RESOURCES[resource];
  // A newer gateway may send other types.
  const title = name ? `${name} ${data[`${resource}_id`]}: ${status}` : type;
  return { title, description: message, variant: VARIANTS[status] ?? "info" };
}
