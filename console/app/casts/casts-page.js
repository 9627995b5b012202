// The list of the reader's own casts, live. The newest cast comes first.

import { queryCasts } from "../../client/casts.js";
import { addressOf, GATEWAY } from "../address.js";
import { fill, h, isNew, keyed, makeButton, on, part, setText } from "../dom.js";
import { hint } from "../how-to-send.js";
import { skeleton, taskLink, time } from "../labels.js";
import { short } from "../time.js";
import { explain } from "./errors.js";
import { lastStep, lengthOf, nameOf, userOf } from "./facts.js";
import { Follow } from "./follow.js";
import { castLink, castMark, progressBar, runLink, showState, table } from "./parts.js";
import { CastRows } from "./rows.js";

/** @typedef {import("./rows.js").Row} Row */

const PAGE = 50;

export class CastsPage {
  element;
  title = "Casts";
  #context;
  #follow;
  #rows = new CastRows();
  /** The number of the casts to show, and of all casts. */
  #wanted = PAGE;
  #total = 0;
  #state = h("span.cast-state");
  #count = h("span.count");
  #body = h("tbody");
  #table;
  #note = h("div.note");
  #more = makeButton("link.more", { hidden: true }, "Show more");

  /** @param {import("../router.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#follow = new Follow(null, context.store.token, {
      take: (updates) => this.#rows.update(updates),
      read: async (options) => {
        /** @type {import("../../client/casts.js").Cast[]} */
        const casts = [];
        let total = 1;
        for (let page = 1; casts.length < Math.min(this.#wanted, total); page++) {
          const found = await queryCasts({ ...options, page, limit: PAGE });
          casts.push(...found.casts);
          total = found.casts.length > 0 ? found.pagination.total : casts.length;
        }
        return () => {
          this.#rows.take(casts);
          this.#total = total;
        };
      },
      changed: () => this.#draw(),
    });
    const heads = ["Status", "Cast", "Task", "Run", "Took", "Last step"];
    this.#table = table("casts", "Your casts, newest first", heads, this.#body);
    const audit = h("a.audit-link", { href: addressOf("/audit"), "data-route": true }, "Audit log");
    this.element = h(
      "div.page.cast-pages",
      h(
        "div.page-head",
        h("div.title-line", h("h1", "Casts ", this.#count), this.#state, audit),
        h("p.summary.quiet", "Your jobs, newest first."),
      ),
      h("section.panel", { "aria-label": "Casts" }, this.#note, this.#table, this.#more),
    );
    on(this.#more, "click", () => {
      this.#wanted += PAGE;
      this.#follow.read(0);
    });
  }

  show() {
    this.#follow.start();
    this.#draw();
  }

  leave() {
    this.#follow.stop();
  }

  tick() {
    this.#draw();
  }

  #draw() {
    const { all } = this.#rows;
    const { error, isKnown } = this.#follow;
    const { store } = this.#context;
    const now = store.now();
    showState(this.#state, this.#follow);
    setText(this.#count, this.#total > 0 ? this.#total.toLocaleString() : "");
    keyed(
      this.#body,
      all,
      ({ id }) => id,
      makeRow,
      (row, cast) => update(row, cast, now),
    );
    this.#table.hidden = all.length === 0;
    this.#more.hidden = all.length === 0 || all.length >= this.#total;
    const kind = error ? "error" : !isKnown ? "loading" : all.length === 0 ? "empty" : "";
    if (isNew(this.#note, `${kind}|${error}`)) {
      const retry = () => this.#follow.retry();
      if (error) fill(this.#note, ...explain("The casts can't be read", error, store.token, retry));
      else fill(this.#note, kind === "loading" ? skeleton() : kind === "empty" && howToOpen(store.token));
    }
  }
}

/** @param {string | undefined} token */
function howToOpen(token) {
  const user = userOf(token);
  const command = [
    `curl ${GATEWAY}/api/casts \\`,
    `     -H "Authorization: Bearer $(cat .oasis/service-token)" -H 'Content-Type: application/json' \\`,
    `     -d '{"id":"site-1","owner":"${user ?? "ann"}","spell":"build the site"}'`,
  ].join("\n");
  const owner = user ? "" : "Replace ann with your user: the sub of your token. ";
  return hint(
    "You have no cast yet. To open one, run this command in the folder of oasis up:",
    command,
    `${owner}For another gateway, use one of its INGEST_TOKENS instead of the file.`,
  );
}

function makeRow() {
  const cells = ["state", "name", "task", "run", "took", "since"];
  return h("tr", ...cells.map((name) => h(`td.${name}-of`)));
}

/** @param {HTMLElement} row @param {Row} cast @param {number} now */
function update(row, cast, now) {
  const [step, at] = lastStep(cast);
  if (isNew(row, JSON.stringify(cast))) {
    const { id, status, vtid } = cast;
    const name = nameOf(cast);
    row.className = `cast-row c-${status}`;
    fill(part(row, ".state-of"), castMark(status));
    fill(
      part(row, ".name-of"),
      h("b.name", castLink(id, name)),
      name !== id && h("span.quiet", h("bdi", id)),
      status === "running" && progressBar(cast),
      status === "failed" && cast.errorMessage && h("bdi.reason", cast.errorMessage),
    );
    fill(part(row, ".task-of"), vtid && taskLink(vtid));
    fill(part(row, ".run-of"), runLink(cast, `#${cast.runId}`));
    fill(part(row, ".since-of"), `${step} `, time(at, ""));
  }
  setText(part(row, ".took-of"), lengthOf(cast, now) ?? "");
  setText(part(row, "time"), `${short(now - Date.parse(at))} ago`);
}
