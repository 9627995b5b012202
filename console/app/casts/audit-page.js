// The audit log, for administrators: who followed casts, for how long, and which requests were refused.

import { getJson } from "../../client/query.js";
import { address } from "../../client/wire.js";
import { GATEWAY } from "../address.js";
import { fill, h, isNew, keyed, makeButton, on } from "../dom.js";
import { skeleton, time } from "../labels.js";
import { moment } from "../time.js";
import { auditRow, CHOICES, toAudit } from "./audit.js";
import { Connections } from "./connections.js";
import { explain } from "./errors.js";
import { mark, table } from "./parts.js";

/** @typedef {import("./audit.js").AuditRow} AuditRow */

const AUDIT = "/api/v1/audit";
const PAGE = 50;

export class AuditPage {
  element;
  title = "Audit log";
  #context;
  #key = "";
  /** @type {AuditRow[]} Newest first. */
  #rows = [];
  /** @type {number | null} */
  #next = null;
  /** @type {unknown} */
  #error = null;
  #isKnown = false;
  /** @type {AbortController | null} */
  #reading = null;
  #user = field("user", "User");
  #cast = field("cast", "Cast");
  #choices;
  #connections;
  #body = h("tbody");
  #table;
  #note = h("div.note");
  #more = makeButton("link.more", { hidden: true }, "Show more");

  /** @param {import("../router.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#connections = new Connections(context.store);
    const choose = (/** @type {string} */ action) => context.change({ action }, true);
    this.#choices = CHOICES.map(({ action, name }) =>
      makeButton("switch", { "data-action": action, onclick: () => choose(action) }, name),
    );
    const refresh = makeButton("small", { onclick: () => this.#refresh() }, "Refresh");
    const form = h(
      "form.audit-filters",
      { role: "search", "aria-label": "Filters" },
      h("label", "User", this.#user),
      h("label", "Cast", this.#cast),
      h("button.small", { type: "submit" }, "Filter"),
      h("div.switches", { role: "group", "aria-label": "Rows to show" }, ...this.#choices),
      refresh,
    );
    on(form, "submit", (event) => {
      event.preventDefault();
      context.change({ user: this.#user.value.trim(), cast: this.#cast.value.trim() }, true);
    });
    const heads = ["What", "User", "Cast", "Details", "Client", "Time"];
    this.#table = table("audit", "Rows of the audit log, newest first", heads, this.#body);
    this.element = h(
      "div.page.cast-pages",
      h(
        "div.page-head",
        h("div.title-line", h("h1", "Audit log")),
        h("p.summary.quiet", "Who followed casts, for how long, and which requests were refused."),
      ),
      this.#connections.element,
      h("section.panel", { "aria-label": "Rows" }, form, this.#note, this.#table, this.#more),
    );
    on(this.#more, "click", () => void this.#read(true));
  }

  show() {
    const { user, cast, action } = this.#context.view;
    const key = JSON.stringify([user, cast, action]);
    if (key === this.#key && this.#isKnown) return this.tick();
    if (key !== this.#key) {
      this.#key = key;
      this.#user.value = user;
      this.#cast.value = cast;
      for (const button of this.#choices) button.ariaPressed = String(button.dataset.action === action);
    }
    this.#refresh();
  }

  leave() {
    this.#connections.leave();
    this.#reading?.abort();
    this.#reading = null;
    // The next visit reads the log again.
    this.#isKnown = false;
  }

  tick() {
    this.#draw();
  }

  #refresh() {
    void this.#connections.read();
    void this.#read(false);
  }

  /** @param {boolean} more Whether to read the next page instead of the first page. */
  async #read(more) {
    this.#reading?.abort();
    const control = new AbortController();
    const { signal } = control;
    this.#reading = control;
    const { store, view } = this.#context;
    const { user, cast, action } = view;
    const before = more ? (this.#next ?? undefined) : undefined;
    const given = { user: user || undefined, cast: cast || undefined, action: action || undefined };
    try {
      const target = address(GATEWAY, AUDIT, { ...given, before, limit: PAGE });
      const { body } = await getJson(target, store.token, { signal });
      if (signal.aborted) return;
      const { rows, next } = toAudit(body);
      this.#rows = more ? [...this.#rows, ...rows] : rows;
      this.#next = next;
      this.#error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.#reading = null;
    this.#isKnown = true;
    this.#draw();
  }

  #draw() {
    const { store, view } = this.#context;
    const error = this.#error;
    const isShown = this.#isKnown && this.#rows.length > 0;
    keyed(
      this.#body,
      this.#rows,
      ({ id }) => String(id),
      (row) => this.#makeRow(row, store.now()),
      () => {},
    );
    this.#table.hidden = this.#rows.length === 0;
    this.#more.hidden = this.#next === null || this.#rows.length === 0 || error !== null;
    const isFiltered = Boolean(view.user || view.cast || view.action);
    const kind = error ? "error" : isShown ? "" : !this.#isKnown ? "loading" : isFiltered ? "none" : "empty";
    if (!isNew(this.#note, `${kind}|${error}`)) return;
    const what = "The audit log can't be read";
    const retry = () => this.#refresh();
    if (error) fill(this.#note, ...explain(what, error, store.token, retry));
    else if (kind === "loading") fill(this.#note, this.#rows.length === 0 && skeleton());
    else if (kind === "none") fill(this.#note, h("p", "No row matches these filters."));
    else fill(this.#note, kind && h("p", "No one has followed a cast yet."));
  }

  /** @param {AuditRow} row @param {number} now */
  #makeRow(row, now) {
    const { sign, word, details } = auditRow(row);
    /** @param {"user" | "cast"} name @param {string | null | undefined} value @param {string} other */
    const only = (name, value, other) =>
      value
        ? makeButton(
            "link",
            {
              title: `Show only this ${name}`,
              onclick: () => this.#context.change({ [name]: value }, false),
            },
            h("bdi", value),
          )
        : h("span.quiet", other);
    return h(
      "tr.audit-row",
      h("td.state-of", mark(sign, word)),
      h("td.user-of", only("user", row.userId, "unknown")),
      h("td.cast-of", only("cast", row.castId, row.path ? "none" : "all casts")),
      h("td.details-of", details && h("bdi", details)),
      h("td.client-of", h("bdi", row.ip), h("bdi.quiet.clip", { title: row.userAgent }, row.userAgent)),
      h("td.since-of", time(row.createdAt, moment(Date.parse(row.createdAt), now))),
    );
  }
}

/** @param {string} name @param {string} label */
const field = (name, label) =>
  h("input", {
    type: "text",
    name,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: `Any ${label.toLowerCase()}`,
  });
