// The pages of rooms. The other pages load this script, and all that it imports, only when it is needed.

export { RoomPage } from "./room-page.js";
export { RoomsPage } from "./rooms-page.js";
