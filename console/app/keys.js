// The keyboard, and the page that explains it.

import { h, makeButton, on } from "./dom.js";
import { icon } from "./look.js";

/** @type {[string[], string][]} */
const KEYS = [
  [["/"], "Go to the filter"],
  [["j"], "Next event, further back"],
  [["k"], "Previous event, newer"],
  [["Enter"], "Open the event"],
  [["Space"], "Pause the ticker, or resume"],
  [["g", "h"], "Live page"],
  [["g", "a"], "Agents"],
  [["Esc"], "Close what is open, leave the filter"],
  [["?"], "This help"],
];

/** A second key counts for so long after the first. */
const CHORD_MS = 1_000;

/**
 * @typedef {object} Actions
 * @property {() => void} search
 * @property {(by: number) => void} move
 * @property {() => boolean} enter Whether it opened something.
 * @property {() => boolean} space Whether there was something to pause.
 * @property {(page: "home" | "agents") => void} go
 * @property {() => void} help
 */

/** @param {Actions} does */
export function listen(does) {
  let chordUntil = 0;
  on(document, "keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const dialog = document.querySelector("dialog[open]");
    if (dialog && !(dialog.matches(".drawer") && (event.key === "j" || event.key === "k"))) return;
    if (target.matches("input, textarea, select, [contenteditable]")) {
      if (event.key !== "Escape") return;
      // The browser would empty a search field without a word; what is filtered stays in sight.
      event.preventDefault();
      target.blur();
      return;
    }
    const chord = event.timeStamp < chordUntil;
    chordUntil = 0;
    const own = target.matches("button, a, summary, label");
    const inList = target.matches(".row button, .row a");
    if (chord && (event.key === "a" || event.key === "h")) does.go(event.key === "a" ? "agents" : "home");
    else if (event.key === "g") chordUntil = event.timeStamp + CHORD_MS;
    else if (event.key === "/") does.search();
    else if (event.key === "j") does.move(1);
    else if (event.key === "k") does.move(-1);
    else if (event.key === "?") does.help();
    else if (event.key === "Enter" && !own) {
      if (!does.enter()) return;
    } else if (event.key === " " && (!own || inList)) {
      if (!does.space()) return;
    } else return;
    event.preventDefault();
  });
}

export function makeHelp() {
  const rows = KEYS.map(([keys, what]) =>
    h("div.field", h("dt", ...keys.map((key) => h("kbd", key))), h("dd", what)),
  );
  const dialog = h("dialog.help", { "aria-labelledby": "help-title" });
  dialog.append(
    h(
      "header",
      h("h2", { id: "help-title" }, "Keyboard"),
      makeButton("tool", { "aria-label": "Close", onclick: () => dialog.close() }, icon("close")),
    ),
    h(
      "div.body",
      h("dl", ...rows),
      h("h3", "What you see"),
      h(
        "p",
        "Recent failures stay until they are green again, dismissed, or a day old. ",
        "A run that says nothing for six hours is forgotten. ",
        "The address holds every filter: send it to share the view. ",
        "Times are in your zone; hover for the exact instant.",
      ),
    ),
  );
  on(dialog, "click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}
