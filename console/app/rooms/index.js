// The pages of rooms. The other pages load this script, and all that it imports, only when it is needed.

import { RoomPage } from "./room-page.js";
import { RoomsPage } from "./rooms-page.js";

/** @param {import("../router.js").Context} context */
export const pagesOf = (context) => ({ rooms: new RoomsPage(context), room: new RoomPage(context) });
