// Whether a hand is on a list, which then should not move: what is pointed at is what is meant.

import { on } from "./dom.js";

/** A pointer that has rested for so long no longer means anything. */
const REST_MS = 2_000;
/** And so long after a key, or after a row got the focus: then it may be one that a dialog gave back. */
const READ_MS = 20_000;
/** No press lasts longer: its end was missed. */
const PRESS_MS = 60_000;

export class Hand {
  holds = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #letsGo;

  /** @param {HTMLElement} element @param {() => void} letsGo */
  constructor(element, letsGo) {
    this.#letsGo = letsGo;
    let at = "";
    let down = false;
    on(element, "pointerdown", () => {
      down = true;
      this.#hold(PRESS_MS);
    });
    on(window, "pointerup pointercancel", () => {
      if (down) this.#hold(REST_MS);
      down = false;
    });
    on(element, "pointermove", ({ clientX, clientY }) => {
      // It also tells of rows that move under a pointer that rests.
      const now = `${clientX} ${clientY}`;
      if (now !== at && !down) this.#hold(REST_MS);
      at = now;
    });
    on(element, "pointerleave", ({ pointerType }) => {
      if (pointerType === "mouse" && !down) this.#hold(0);
    });
    on(element, "keydown focusin", ({ target }) => {
      if (target !== element && !down) this.#hold(READ_MS);
    });
    on(element, "focusout", () => {
      if (!down) this.#hold(0);
    });
  }

  /** @param {number} ms */
  #hold(ms) {
    this.holds = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.holds = false;
      this.#letsGo();
    }, ms);
  }
}
