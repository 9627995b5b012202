// Links the page of a task to its private streams: the rooms that have lines of the task, and the resources
// that have events of the task.

import { getJson } from "../../client/query.js";
import { listRooms } from "../../client/roomquery.js";
import { address, isObject } from "../../client/wire.js";
import { GATEWAY } from "../address.js";
import { fill, h } from "../dom.js";
import { roomLink } from "../labels.js";

/** The maximum number of rooms that are linked, and of resources that are shown. */
const MOST = 10;

/**
 * Shows the rooms and the resources of a task. A reader who may not read them sees no error, because the page
 * of the task does not need them.
 *
 * @param {HTMLElement} element
 * @param {string} task
 * @param {string} token
 * @param {() => boolean} isShown Whether the page still shows this task.
 */
export async function showLinks(element, task, token, isShown) {
  const quietly = (/** @type {Promise<(Node | string)[]>} */ parts) => parts.catch(() => []);
  const [rooms, resources] = await Promise.all([
    quietly(roomLinks(task, token)),
    quietly(resourceStates(task, token)),
  ]);
  if (!isShown() || rooms.length + resources.length === 0) return;
  fill(element, ...rooms, ...resources);
  element.hidden = false;
}

/** @param {string} task @param {string} token */
async function roomLinks(task, token) {
  const { rooms } = await listRooms({ url: GATEWAY, token, vtid: task, limit: MOST });
  const links = rooms.map(({ id, title, state }) =>
    h("span", roomLink(id, title ?? id), state === "closed" && h("span.quiet", " closed")),
  );
  return links.length > 0 ? [h("span.quiet", "Logs"), ...links] : [];
}

/** The last event of each resource. @param {string} task @param {string} token */
async function resourceStates(task, token) {
  const { body } = await getJson(address(GATEWAY, "/api/v1/events", { vtid: task }), token, {});
  /** @type {Map<string, Record<string, unknown>>} */
  const last = new Map();
  for (const event of isObject(body) && Array.isArray(body.events) ? body.events.filter(isObject) : []) {
    const type = event.resource_type;
    const name = `${type ?? "resource"} ${event[`${type}_id`] ?? event.resource_id ?? ""}`.trim();
    if (!last.has(name)) last.set(name, event);
  }
  const states = [...last].slice(0, MOST).map(([name, event]) => {
    const state = event.status ?? String(event.event_type).split("_").at(-1);
    const message = event.message ?? event.error ?? "";
    const text = `${name}: ${state}`;
    const { link } = event;
    return typeof link === "string" && /^https?:\/\//.test(link)
      ? h("a", { href: link, title: String(message), rel: "noreferrer", target: "_blank" }, text)
      : h("span", { title: String(message) }, text);
  });
  return states.length > 0 ? [h("span.quiet", "Resources"), ...states] : [];
}
