// Shows a JSON value as a tree whose branches open and close.

import { h } from "./dom.js";

/** The number of levels that are open at first. */
const OPEN = 2;
/** The maximum number of fields that are shown. */
const MOST_NODES = 2_000;

/** @param {unknown} value @returns {value is object} */
const isNode = (value) => typeof value === "object" && value !== null;

/** @param {Record<string, unknown>} value */
export function tree(value) {
  let left = MOST_NODES;
  /** @param {unknown} value @param {number} depth @returns {HTMLElement} */
  const node = (value, depth) => {
    if (!isNode(value))
      return h("bdi", { class: `v-${value === null ? "null" : typeof value}` }, String(value));
    const list = h("ul.tree");
    for (const [key, inner] of Object.entries(value)) {
      if (left-- <= 0) {
        list.append(h("li", "There are more fields. To see all fields, use Copy as JSON."));
        break;
      }
      const name = h("bdi.key", key);
      const size = isNode(inner) ? Object.keys(inner).length : 0;
      if (size > 0 && depth < 32) {
        const summary = h("span.quiet", ` ${size} ${Array.isArray(inner) ? "items" : "fields"}`);
        const details = h(
          "details",
          { open: depth < OPEN },
          h("summary", name, summary),
          node(inner, depth + 1),
        );
        list.append(h("li", details));
      } else list.append(h("li", name, " ", node(isNode(inner) ? JSON.stringify(inner) : inner, depth)));
    }
    return list;
  };
  return node(value, 0);
}
