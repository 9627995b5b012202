// Links the page of a task to the rooms that have lines of the task.

import { listRooms } from "../../client/roomquery.js";
import { GATEWAY } from "../address.js";
import { fill, h } from "../dom.js";
import { roomLink } from "../labels.js";

/** The maximum number of rooms that are linked. */
const MOST = 10;

/**
 * Shows links to the rooms of a task. A reader who may not read rooms sees no error, because the page of the
 * task does not need them.
 *
 * @param {HTMLElement} element
 * @param {string} task
 * @param {string} token
 * @param {() => boolean} isShown Whether the page still shows this task.
 */
export async function showRooms(element, task, token, isShown) {
  try {
    const { rooms } = await listRooms({ url: GATEWAY, token, vtid: task, limit: MOST });
    if (!isShown() || rooms.length === 0) return;
    const links = rooms.map(({ id, title, state }) =>
      h("span", roomLink(id, title ?? id), state === "closed" && h("span.quiet", " closed")),
    );
    fill(element, h("span.quiet", "Logs"), ...links);
    element.hidden = false;
  } catch {
    // The reader may not read rooms, or the gateway does not answer. The page of the task works without
    // rooms.
  }
}
