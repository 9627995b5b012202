// Shows one event in full, in a native dialog. The browser keeps the focus inside the dialog, restores the
// focus when the dialog closes, and handles Esc.

import { GATEWAY } from "./address.js";
import { copy, fill, h, makeButton, on, setText } from "./dom.js";
import { isTask } from "./event.js";
import { kindWords } from "./kinds.js";
import { failureNote, icon, outLink, skeleton, statusMark, taskLink, time } from "./labels.js";
import { describeLink } from "./links.js";
import { exact } from "./time.js";
import { tree } from "./tree.js";

/** @typedef {import("./event.js").AnyEvent} AnyEvent */

export class Drawer {
  #context;
  #dialog = h("dialog.drawer", { "aria-labelledby": "drawer-title" });
  /** @type {AbortController | null} */
  #loading = null;
  #shown = "";

  /** @param {import("./router.js").Context} context */
  constructor(context) {
    this.#context = context;
    document.body.append(this.#dialog);
    on(this.#dialog, "close", () => {
      this.#loading?.abort();
      this.#shown = "";
      context.closed();
    });
    on(this.#dialog, "click", (event) => {
      // The target of a click on the backdrop is the dialog itself.
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  /**
   * @param {AnyEvent | null} event Null if only the id is known.
   * @param {number | null} id Null for a simulated event.
   */
  show(event, id) {
    const name = id === null ? `mock-${event?.ts}` : String(id);
    if (this.#shown === name && this.#dialog.open) return;
    this.#shown = name;
    this.#loading?.abort();
    if (event) this.#draw(event);
    else fill(this.#dialog, this.#head("Event", null), h("div.body", skeleton()));
    if (!this.#dialog.open) this.#dialog.showModal();
    if (id !== null && !event?.meta) void this.#load(id, event);
  }

  /** @param {number} id @param {AnyEvent | null} event */
  async #load(id, event) {
    const control = new AbortController();
    this.#loading = control;
    try {
      const { events } = await this.#context.store.query(
        {},
        { before: id + 1, limit: 1, signal: control.signal },
      );
      if (control.signal.aborted) return;
      const found = events[0]?.id === id ? events[0] : null;
      if (found) this.#draw(found);
      else this.#failed(event, [h("p", { role: "alert" }, `Event ${id} was pruned or never existed.`)]);
    } catch (error) {
      if (control.signal.aborted) return;
      const retry = () => void this.#load(id, event);
      this.#failed(event, failureNote("The event's meta can't be read", error, retry));
    }
  }

  /** @param {AnyEvent | null} event @param {HTMLElement[]} content */
  #failed(event, content) {
    const note = h("div.note", ...content);
    const old = this.#dialog.querySelector(".meta-part");
    if (event && old) fill(old, h("h3", "Meta"), note);
    else fill(this.#dialog, this.#head("Event", null), h("div.body", note));
  }

  /** @param {string} title @param {AnyEvent | null} event */
  #head(title, event) {
    const close = makeButton(
      "tool",
      { "aria-label": "Close", title: "Close (Esc)", onclick: () => this.#dialog.close() },
      icon("close"),
    );
    return h("header", event && statusMark(event.status), h("h2", { id: "drawer-title" }, title), close);
  }

  /** @param {AnyEvent} event */
  #draw(event) {
    // Show the fields in the order in which the gateway sends them, without the fields that the client added.
    const { receivedAt, simulated, meta: knownMeta, ...stored } = event;
    const fields = Object.entries(stored)
      .filter(([name, value]) => name === "link" || value !== null)
      .map(([name, value]) => h("div.field", h("dt", name), h("dd", shownField(name, value))));
    const isStored = event.id !== null;
    const meta = !isStored
      ? h("p.quiet", "Simulated events have no meta and are never stored.")
      : knownMeta
        ? Object.keys(knownMeta).length > 0
          ? tree(knownMeta)
          : h("p.quiet", "Empty.")
        : skeleton();
    const json = JSON.stringify({ ...stored, meta: knownMeta }, null, 2);
    const address = `${GATEWAY}/api/v1/oasis/events?before=${(event.id ?? 0) + 1}&limit=1`;
    const token = this.#context.store.token ? ' -H "Authorization: Bearer $READ_TOKEN"' : "";
    const curl = `curl '${address}'${token}`;
    const focused = this.#dialog.contains(document.activeElement);
    fill(
      this.#dialog,
      this.#head([knownMeta?.name, kindWords(event.kind)].filter(Boolean).join(" \u00b7 "), event),
      h(
        "div.actions",
        copyButton("Copy as JSON", json),
        isStored && copyButton("Copy as curl", curl),
        outLink(event.link, "Open the link", "Open"),
      ),
      h(
        "div.body",
        { tabindex: 0, role: "region", "aria-label": "Fields and meta" },
        h("dl", ...fields),
        h("div.meta-part", h("h3", "Meta"), meta),
      ),
    );
    if (focused) this.#dialog.querySelector("button")?.focus();
  }
}

/** @param {string} name @param {string | number | null} value @returns {import("./dom.js").Child} */
function shownField(name, value) {
  const text = String(value);
  if (name === "ts" || name === "recorded_at") return time(text, exact(Date.parse(text)) || text);
  if (name === "vtid" && isTask(text)) return taskLink(text);
  if (name === "link") return value === null ? "none" : outLink(text, `Open ${describeLink(text)}`, text);
  return h("bdi", text);
}

/** @param {string} label @param {string} text */
function copyButton(label, text) {
  const button = makeButton("small", {}, label);
  on(button, "click", async () => {
    setText(button, (await copy(text)) ? "Copied" : "Copy failed");
    setTimeout(() => setText(button, label), 1_500);
  });
  return button;
}
