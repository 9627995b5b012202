// Links the page of a task to the rooms that have lines of the task.

import { listRooms } from "../client/roomquery.js";
import { GATEWAY } from "./address.js";
import { fill, h } from "./dom.js";
import { roomLink } from "./labels.js";

/** The maximum number of rooms that are linked. */
const MOST = 10;

/**
 * Shows links to the rooms of a task. A reader who may not read rooms sees no error, because the page of the
 * task does not need them.
 *
 * @param {HTMLElement} element
 * @param {string} task
 * @param {string} token
 */
export async function showRooms(element, task, token) {
  try {
    const { rooms } = await listRooms({ url: GATEWAY, token, vtid: task, limit: MOST });
    // Meanwhile, the reader may have opened another task.
    if (element.dataset.task !== task || rooms.length === 0) return;
    const links = rooms.map(({ id, title, state }) =>
      h("li", roomLink(id, title ?? id), state === "closed" && h("span.quiet", " closed")),
    );
    fill(element, h("span.quiet", "Logs"), h("ul", ...links));
    element.hidden = false;
  } catch {
    // The reader may not read rooms, or the gateway is away. The page of the task works without rooms.
  }
}
