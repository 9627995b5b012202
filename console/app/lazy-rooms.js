// Loads the pages of rooms when the user opens one of them, so that the other pages load no more than they
// need.

import { fill, h } from "./dom.js";
import { failureNote, skeleton } from "./labels.js";

/** @typedef {import("./rooms/index.js").RoomsPage} RoomsPage */
/** @typedef {import("./rooms/index.js").RoomPage} RoomPage */
/** @typedef {RoomsPage | RoomPage} Page */
/** @typedef {{ rooms: RoomsPage, room: RoomPage }} Pages */

/** A page that is shown until the pages of rooms are loaded. It then leads to these pages. */
export class LazyRooms {
  element = h("div.page", skeleton());
  title = "Rooms";
  #context;
  #onLoad;
  /** @type {Pages | null} */
  #pages = null;
  #isLoading = false;

  /** @param {import("./router.js").Context} context @param {() => void} onLoad */
  constructor(context, onLoad) {
    this.#context = context;
    this.#onLoad = onLoad;
  }

  /** @param {"rooms" | "room"} name @returns {Page | LazyRooms} */
  pageOf(name) {
    return this.#pages?.[name] ?? this;
  }

  /** Lets all pages except the one that is shown stop their work. @param {object} shown */
  leaveAllBut(shown) {
    for (const page of Object.values(this.#pages ?? {})) if (page !== shown) page.leave();
  }

  show() {
    if (!this.#isLoading) void this.#load();
  }

  tick() {}

  async #load() {
    this.#isLoading = true;
    fill(this.element, skeleton());
    try {
      const [{ RoomsPage, RoomPage }] = await Promise.all([
        import("./rooms/index.js"),
        loadStyle("rooms/rooms.css"),
      ]);
      this.#pages = { rooms: new RoomsPage(this.#context), room: new RoomPage(this.#context) };
      this.#onLoad();
    } catch {
      // The files have other addresses after an update of the gateway, so only a reload of the page helps.
      const error = new Error("the gateway does not answer, or was updated");
      fill(this.element, ...failureNote("The page can't be loaded", error, () => location.reload()));
    }
    this.#isLoading = false;
  }
}

/** @param {string} name */
function loadStyle(name) {
  const link = h("link", { rel: "stylesheet", href: new URL(name, import.meta.url).href });
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", reject);
    document.head.append(link);
  });
}
