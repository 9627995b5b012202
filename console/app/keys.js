// The keyboard shortcuts, and the dialog that explains them.

import { h, makeButton, on } from "./dom.js";
import { icon } from "./labels.js";

/** @type {[string[], string][]} */
const KEYS = [
  [["/"], "Go to the filter or the search"],
  [["j"], "Next event (older), next match in a log"],
  [["k"], "Previous event (newer), previous match in a log"],
  [["Enter"], "Open the event"],
  [["Space"], "Pause or resume the ticker or the log"],
  [["g", "h"], "Live page"],
  [["g", "a"], "Agents"],
  [["g", "r"], "Rooms"],
  [["g", "c"], "Casts"],
  [["Esc"], "Close the dialog or menu, or leave the filter"],
  [["?"], "This help"],
];

/** The maximum time between the two keys of a chord such as `g h`. */
const CHORD_MS = 1_000;

/** @typedef {"home" | "agents" | "rooms" | "casts"} Page */

/** The second key of `g h`, `g a` and so on. @type {Partial<Record<string, Page>>} */
const PAGES = { h: "home", a: "agents", r: "rooms", c: "casts" };

/**
 * @typedef {object} Actions
 * @property {() => void} search
 * @property {(by: number) => void} move
 * @property {() => boolean} enter Returns whether an event was opened.
 * @property {() => boolean} space Returns whether the page has a list to pause.
 * @property {(page: Page) => void} go
 * @property {() => void} help
 */

/** @param {Actions} actions */
export function listen(actions) {
  let chordUntil = 0;
  on(document, "keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const dialog = document.querySelector("dialog[open]");
    if (dialog && !(dialog.matches(".drawer") && (event.key === "j" || event.key === "k"))) return;
    if (target.matches("input, textarea, select, [contenteditable]")) {
      if (event.key !== "Escape") return;
      // By default, Esc clears a search field. On this page Esc keeps the text, and only removes the focus.
      event.preventDefault();
      target.blur();
      return;
    }
    const chord = event.timeStamp < chordUntil;
    chordUntil = 0;
    const own = target.matches("button, a, summary, label");
    const inList = target.matches(".row button, .row a");
    const page = chord ? PAGES[event.key] : undefined;
    if (page) actions.go(page);
    else if (event.key === "g") chordUntil = event.timeStamp + CHORD_MS;
    else if (event.key === "/") actions.search();
    else if (event.key === "j") actions.move(1);
    else if (event.key === "k") actions.move(-1);
    else if (event.key === "?") actions.help();
    else if (event.key === "Enter" && !own) {
      if (!actions.enter()) return;
    } else if (event.key === " " && (!own || inList)) {
      if (!actions.space()) return;
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
        "A failure stays in the list for one day, or until the run succeeds or you dismiss the failure. ",
        "An active run without a new event for six hours is removed. ",
        "The address contains all filters. To share the view, send the address. ",
        "Times are in your time zone. To see the exact time, hover over a time.",
      ),
    ),
  );
  on(dialog, "click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}
