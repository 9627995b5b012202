// Reports failures outside the page: in desktop notifications, and in the title and the icon of the tab.

import { byId, fill, on } from "./dom.js";
import { kindWords } from "./kinds.js";
import { failureWord, icon } from "./labels.js";
import { recall, remember } from "./settings.js";

/** @typedef {import("./groups.js").Row} Row */

/** If more failures than this arrive within `GATHER_MS`, they share one notification. */
const MANY = 3;
const GATHER_MS = 1_500;

export class Notifier {
  #button = byId("notify");
  #on = false;
  /** @type {Row[]} */
  #gathered = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #open;

  /** @param {(row: Row) => void} open */
  constructor(open) {
    this.#open = open;
    const able = "Notification" in globalThis;
    this.#button.hidden = !able;
    if (!able) return;
    this.#on = recall("notify") === "on" && Notification.permission === "granted";
    on(this.#button, "click", () => void this.#toggle());
    this.#show();
  }

  async #toggle() {
    if (!this.#on && Notification.permission !== "granted") {
      const answer = await Notification.requestPermission();
      if (answer !== "granted") return this.#show("Notifications are blocked in this browser's settings");
    }
    this.#on = !this.#on;
    remember("notify", this.#on ? "on" : "off");
    this.#show();
  }

  /** @param {string} [why] */
  #show(why) {
    const title =
      why ??
      (this.#on
        ? "Notifications of failures are on (only failures that match the filters)"
        : "Notify me of failures that match the filters");
    this.#button.ariaPressed = String(this.#on);
    this.#button.ariaLabel = this.#button.title = title;
    fill(this.#button, icon("bell"));
  }

  /** @param {readonly Row[]} rows */
  failed(rows) {
    if (!this.#on || rows.length === 0) return;
    this.#gathered.push(...rows.slice(0, 50));
    this.#timer ??= setTimeout(() => {
      const gathered = this.#gathered;
      this.#gathered = [];
      this.#timer = undefined;
      if (gathered.length > MANY)
        this.#notify(
          `${gathered.length} failures`,
          gathered
            .map(({ run }) => run.event.vtid)
            .slice(0, 5)
            .join(", "),
          "oasis-many",
          null,
        );
      else
        for (const row of gathered) {
          const { name, event } = row.run;
          this.#notify(
            `${name || kindWords(event.kind)} ${failureWord(event)}`,
            `${event.vtid} ${event.module}`,
            row.key,
            row,
          );
        }
    }, GATHER_MS);
  }

  /** @param {string} title @param {string} body @param {string} tag @param {Row | null} row */
  #notify(title, body, tag, row) {
    try {
      const note = new Notification(title, { body, tag });
      note.onclick = () => {
        window.focus();
        note.close();
        if (row) this.#open(row);
      };
    } catch {
      // Chrome on Android lets only service workers show notifications, so the constructor throws.
      this.#on = false;
      this.#button.hidden = true;
    }
  }
}

let marked = "";

/** Sets the title and icon of the tab. @param {number} failures @param {string} title */
export function markTab(failures, title) {
  const text = `${failures > 0 ? `(${failures}) ` : ""}${title} · OASIS DevHub`;
  if (document.title !== text) document.title = text;
  const shown = failures > 9 ? "9+" : String(failures);
  const font = `font-family="sans-serif" font-size="${shown.length > 1 ? 17 : 20}" font-weight="700"`;
  const number = `<text x="16" y="23" ${font} fill="#fff" text-anchor="middle">${shown}</text>`;
  const ring = `<circle cx="16" cy="16" r="6.5" fill="none" stroke="#fff" stroke-width="3.5"/>`;
  const [colour, sign] = failures > 0 ? ["#c4312a", number] : ["#2f6f4f", ring];
  const mark = `<rect width="32" height="32" rx="7" fill="${colour}"/>${sign}`;
  if (mark === marked) return;
  marked = mark;
  const image = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${mark}</svg>`;
  byId("favicon").setAttribute("href", `data:image/svg+xml,${encodeURIComponent(image)}`);
}
