// The list of the rooms that the reader may read. The room that changed last comes first.

import { listRooms } from "../../client/roomquery.js";
import { GATEWAY } from "../address.js";
import { fill, h, isNew, keyed, makeButton, on, setText } from "../dom.js";
import { hint } from "../how-to-send.js";
import { icon, roomLink, skeleton, time } from "../labels.js";
import { short } from "../time.js";
import { explain } from "./errors.js";

/** @typedef {import("../../client/types.js").Room} Room */

const EVERY_MS = 15_000;
const PAGE = 50;
/** Once the reader has loaded this many rooms, the page no longer reads the list again by itself. */
const MOST = 1_000;

export class RoomsPage {
  element;
  title = "Rooms";
  #context;
  #body = h("tbody");
  #table;
  #note = h("div.note");
  #more = makeButton("link.more", { hidden: true }, "Show more");
  /** @type {Room[]} */
  #rooms = [];
  /** @type {string | null} */
  #next = null;
  /** @type {unknown} */
  #error = null;
  #isKnown = false;
  /** @type {AbortController | null} */
  #reading = null;
  #readAt = 0;

  /** @param {import("../router.js").Context} context */
  constructor(context) {
    this.#context = context;
    const head = ["State", "Room", "Owner", "Last change"].map((name) => h("th", { scope: "col" }, name));
    this.#table = h(
      "table.agents.rooms",
      h("caption.offscreen", "Rooms, the room that changed last comes first"),
      h("thead", h("tr", ...head)),
      this.#body,
    );
    this.element = h(
      "div.page",
      h(
        "div.page-head",
        h("div.title-line", h("h1", "Rooms")),
        h("p.summary.quiet", "The live logs of agents and commands."),
      ),
      h("section.panel", this.#note, this.#table, this.#more),
    );
    on(this.#more, "click", () => void this.#read(true));
  }

  show() {
    void this.#read(false);
    this.tick();
  }

  leave() {
    this.#reading?.abort();
    this.#reading = null;
  }

  tick() {
    const isDue = Date.now() - this.#readAt > EVERY_MS && this.#rooms.length < MOST && !this.#isRefused;
    if (isDue && !document.hidden) void this.#read(false);
    this.#draw();
  }

  get #isRefused() {
    const status = /** @type {{ status?: number } | null} */ (this.#error)?.status ?? 0;
    return status >= 400 && status < 500;
  }

  /** @param {boolean} more Whether to read the next page instead of the pages that are shown. */
  async #read(more) {
    if (this.#reading) return;
    const control = new AbortController();
    this.#reading = control;
    this.#readAt = Date.now();
    const options = { url: GATEWAY, token: this.#context.store.token, limit: PAGE, signal: control.signal };
    try {
      let before = more ? (this.#next ?? undefined) : undefined;
      const wanted = more ? this.#rooms.length + PAGE : Math.max(PAGE, this.#rooms.length);
      const rooms = more ? [...this.#rooms] : [];
      for (;;) {
        const page = await listRooms({ ...options, before });
        if (control.signal.aborted) return;
        rooms.push(...page.rooms);
        this.#next = page.next;
        if (page.next === null || rooms.length >= wanted) break;
        before = page.next;
      }
      this.#rooms = rooms;
      this.#error = null;
    } catch (error) {
      if (control.signal.aborted) return;
      this.#error = error;
    }
    this.#reading = null;
    this.#isKnown = true;
    this.#draw();
  }

  #draw() {
    // A room that changes while the pages are read may be on two of them.
    const rooms = [...new Map(this.#rooms.map((room) => [room.id, room])).values()];
    keyed(this.#body, rooms, ({ id }) => id, makeRow, update);
    this.#table.hidden = rooms.length === 0;
    this.#more.hidden = this.#next === null || rooms.length === 0;
    const kind = this.#error ? "error" : !this.#isKnown ? "loading" : rooms.length === 0 ? "empty" : "";
    const version = `${kind}|${this.#error}`;
    if (!isNew(this.#note, version)) return;
    if (kind === "error")
      fill(
        this.#note,
        ...explain("The list of rooms can't be read", this.#error, () => void this.#read(false)),
      );
    else if (kind === "loading") fill(this.#note, skeleton());
    else if (kind === "empty") fill(this.#note, howToMakeRoom());
    else fill(this.#note);
  }
}

const howToMakeRoom = () =>
  hint(
    "There is no room that you may read. To make a room, run a command under heartbeat-agent:",
    `GATEWAY_URL=${GATEWAY} heartbeat-agent --room build-1 -- make`,
    "Replace build-1 with a name, and make with your command. The lines that the command prints appear in " +
      "the room. Also set INGEST_TOKEN to one of the gateway's INGEST_TOKENS.",
  );

function makeRow() {
  const cells = ["state", "name", "owner", "since"];
  return h("tr", ...cells.map((name) => h(`td.${name}-of`)));
}

/** @param {HTMLElement} row @param {Room} room */
function update(row, room) {
  const [state, name, owner, since] = /** @type {HTMLElement[]} */ ([...row.children]);
  if (!state || !name || !owner || !since) return;
  const version = JSON.stringify(room);
  const at = Date.parse(room.updatedAt);
  if (isNew(row, version)) {
    const shown = room.state === "open" ? "working" : "stopped";
    row.className = `agent room-row a-${shown}`;
    fill(state, h("span", { class: `status s-${shown}` }, icon(shown), h("span.word", room.state)));
    fill(
      name,
      h("b.name", roomLink(room.id, room.title ?? room.id)),
      room.title !== null && h("span.quiet", h("bdi", room.id)),
    );
    fill(
      owner,
      room.owner === null ? h("span.quiet", "none") : h("bdi", room.owner),
      room.readers === "owner" && h("span.tag", { title: "Only the owner may read this room" }, "private"),
    );
    fill(since, time(at, ""));
  }
  setText(/** @type {Element} */ (since.firstElementChild), `${short(Date.now() - at)} ago`);
}
