// The page of a cast: its status, its progress and its end, live.

import { mergeCast, queryCast } from "../../client/casts.js";
import { fill, h, isNew, panel, part, setText } from "../dom.js";
import { outLink, skeleton, taskLink, time } from "../labels.js";
import { moment } from "../time.js";
import { explain } from "./errors.js";
import { costOf, lengthOf, nameOf } from "./facts.js";
import { Follow } from "./follow.js";
import { castMark, progressBar, runLink, showState } from "./parts.js";
import { renew } from "./rows.js";

/** @typedef {import("./rows.js").Row} Row */

export class CastPage {
  element;
  #context;
  #id = "";
  /** @type {Follow | null} Null before the first cast is shown, and if no cast can have the id. */
  #follow = null;
  /** @type {import("../../client/casts.js").CastState | null} What the stream has reported. */
  #reported = null;
  /** @type {Row | null} */
  #cast = null;
  #name = h("h1");
  #status = h("span.cast-state", { role: "status" });
  #state = h("span.cast-state");
  #about = h("p.quiet");
  #note = h("div.note");
  #result = h("div.result");
  #facts = h("dl.facts");
  #panel;

  /** @param {import("../router.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#panel = panel("cast-panel", "cast-title", ["Details"], null, this.#facts);
    this.element = h(
      "div.page.cast-pages",
      h("div.page-head", h("div.title-line", this.#name, this.#status, this.#state), this.#about),
      this.#note,
      this.#result,
      this.#panel,
    );
  }

  get title() {
    return this.#cast ? nameOf(this.#cast) : this.#id;
  }

  show() {
    const { id } = this.#context.view;
    if (id !== this.#id) this.#open(id);
    this.#follow?.start();
    this.#draw();
  }

  /** Closes the stream, because another page is shown. A later call of show() resumes it. */
  leave() {
    this.#follow?.stop();
  }

  tick() {
    this.#draw();
  }

  /** @param {string} id */
  #open(id) {
    this.#follow?.stop();
    this.#follow = this.#reported = this.#cast = null;
    this.#id = id;
    try {
      this.#follow = new Follow(id, this.#context.store.token, {
        take: (updates) => {
          for (const update of updates) this.#reported = mergeCast(this.#reported ?? this.#cast, update);
          if (this.#cast) this.#cast = renew(this.#cast, this.#reported);
          return updates.some(({ event }) => event === "status");
        },
        read: async (options) => {
          const cast = await queryCast(id, options);
          return () => {
            this.#cast = renew(cast, this.#reported ?? this.#cast);
          };
        },
        changed: () => this.#draw(),
      });
    } catch {
      // The address has an id that no cast can have.
    }
  }

  #draw() {
    const cast = this.#cast;
    const follow = this.#follow;
    const { store } = this.#context;
    const now = store.now();
    setText(this.#name, this.title);
    if (follow) showState(this.#state, follow);
    else fill(this.#state);
    const error = follow ? follow.error : { status: 404 };
    const kind = error ? `error ${error} ${/** @type {any} */ (error).status}` : cast ? "" : "loading";
    if (isNew(this.#note, `${this.#id} ${kind}`)) {
      const what = "The cast can't be read";
      if (error) fill(this.#note, ...explain(what, error, store.token, () => follow?.retry()));
      else fill(this.#note, kind && skeleton());
    }
    this.#panel.hidden = this.#result.hidden = cast === null;
    setText(this.#about, cast && nameOf(cast) !== cast.id ? cast.id : "");
    if (isNew(this.#status, cast?.status ?? "")) fill(this.#status, cast && castMark(cast.status));
    if (!cast) return;
    if (isNew(this.#result, JSON.stringify(cast))) {
      fill(this.#result, ...resultOf(cast));
      fill(this.#facts, ...factsOf(cast, now));
    }
    const took = lengthOf(cast, now);
    if (took !== null) setText(part(this.#facts, ".took"), took);
  }
}

/**
 * What the cast has reached: its progress, its result or its error.
 *
 * @param {Row} cast
 * @returns {HTMLElement[]}
 */
function resultOf(cast) {
  const { status, artifactUrl, errorMessage } = cast;
  const artefact = outLink(artifactUrl, "Open the artefact", "Open the artefact");
  const parts = [
    (status === "queued" || status === "running") && progressBar(cast),
    status === "failed" && h("p.failure", errorMessage ? h("bdi", errorMessage) : "No reason was reported."),
    artefact && h("p", artefact, " ", h("bdi.quiet", artifactUrl)),
  ];
  return parts.filter((one) => one instanceof HTMLElement);
}

/** @param {Row} cast @param {number} now */
function factsOf(cast, now) {
  /** @param {string | null} at */
  const when = (at) => at && time(at, moment(Date.parse(at), now));
  const run = runLink(cast, `${cast.repository} #${cast.runId} `);
  /** @type {[string, import("../dom.js").Child][]} */
  const facts = [
    ["Spell", cast.spell && h("bdi", nameOf(cast))],
    ["Owner", h("bdi", cast.owner)],
    ["Attempt", cast.attempt],
    ["Opened", when(cast.createdAt)],
    ["Started", when(cast.startedAt)],
    ["Ended", when(cast.finishedAt)],
    ["Duration", lengthOf(cast, now) !== null && h("span.took")],
    ["Cost", cast.costCents !== null && costOf(cast.costCents)],
    ["Journey", cast.vtid && taskLink(cast.vtid)],
    ["GitHub run", run],
  ];
  const known = facts.filter(([, value]) => value !== null && value !== false && value !== "");
  return known.map(([name, value]) => h("div.field", h("dt", name), h("dd", value)));
}
