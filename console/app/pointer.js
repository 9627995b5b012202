// Detects when the reader uses a list with the pointer or the keyboard. During this time the rows must not
// move, or a click could hit the wrong row.

import { on } from "./dom.js";

/** The rows may move again after the pointer has rested this long. */
const REST_MS = 2_000;
/** The rows may move again this long after a key press, or after a row got the focus. */
const READ_MS = 20_000;
/** A press counts as ended after this time, because the browser may not report the end of a press. */
const PRESS_MS = 60_000;

export class Pointer {
  /** Whether the reader uses the list. While this is true, the rows must not move. */
  holds = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #onRelease;

  /** @param {HTMLElement} element @param {() => void} onRelease */
  constructor(element, onRelease) {
    this.#onRelease = onRelease;
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
      // Browsers also send this event when rows move under a resting pointer, so compare the position.
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
      this.#onRelease();
    }, ms);
  }
}
