// A summary of the audit log, for administrators: how many streams are open, how many have begun, and why
// streams have ended.

import { getJson } from "../../client/query.js";
import { address, isObject } from "../../client/wire.js";
import { GATEWAY } from "../address.js";
import { fill, h, makeButton } from "../dom.js";
import { connectionFacts } from "./audit.js";

const SUMMARY = "/api/v1/audit/summary";
const PERIODS = [
  { hours: 1, name: "1 hour" },
  { hours: 24, name: "24 hours" },
  { hours: 7 * 24, name: "7 days" },
];

export class Connections {
  element;
  #store;
  #hours = 24;
  /** @type {AbortController | null} */
  #reading = null;
  #periods;
  #facts = h("dl.facts");

  /** @param {import("../store.js").Store} store */
  constructor(store) {
    this.#store = store;
    const choose = (/** @type {number} */ hours) => {
      this.#hours = hours;
      void this.read();
    };
    this.#periods = PERIODS.map(({ hours, name }) =>
      makeButton("switch", { "data-hours": hours, onclick: () => choose(hours) }, name),
    );
    this.element = h(
      "section.panel.connections",
      { "aria-label": "Connections", hidden: true },
      h("div.switches", { role: "group", "aria-label": "Period" }, ...this.#periods),
      this.#facts,
    );
  }

  /** Reads the summary. If it can't be read, the panel is hidden: the list of rows says why. */
  async read() {
    this.leave();
    const control = new AbortController();
    const { signal } = control;
    this.#reading = control;
    for (const button of this.#periods)
      button.ariaPressed = String(button.dataset.hours === String(this.#hours));
    try {
      const target = address(GATEWAY, SUMMARY, { hours: this.#hours });
      const { body } = await getJson(target, this.#store.token, { signal });
      if (signal.aborted) return;
      const facts = connectionFacts(isObject(body) ? body : {});
      fill(this.#facts, ...facts.map(([name, words]) => h("div.field", h("dt", name), h("dd", words))));
      this.element.hidden = false;
    } catch {
      if (!signal.aborted) this.element.hidden = true;
    }
  }

  leave() {
    this.#reading?.abort();
  }
}
