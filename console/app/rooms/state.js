// Shows the state of a room and of its stream.

import { fill, h, isNew, makeButton } from "../dom.js";
import { icon } from "../labels.js";

/** @typedef {import("../labels.js").Icon} Icon */

/**
 * The word and the icon for the state.
 *
 * @param {Pick<import("./source.js").RoomSource, "isClosed" | "error" | "stream">} source
 * @param {number} now
 * @returns {[Icon, string]}
 */
export function stateOf({ isClosed, error, stream }, now) {
  if (error) return ["lost", "not connected"];
  if (isClosed) return ["stopped", "closed"];
  const { state, transport, retryAt } = stream;
  switch (state) {
    case "connecting":
      return ["queued", "connecting"];
    case "live":
    case "mock":
      return ["working", transport === "poll" ? "live, polling" : "live"];
    case "reconnecting": {
      const wait = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1_000);
      return ["late", wait > 0 ? `reconnecting in ${wait} s` : "reconnecting"];
    }
    case "offline":
      return ["lost", "not connected"];
  }
}

/**
 * @param {HTMLElement} element
 * @param {import("./source.js").RoomSource} source
 * @param {() => void} retry
 */
export function roomState(element, source, retry) {
  const [name, words] = stateOf(source, Date.now());
  if (!isNew(element, words)) return;
  const isWaiting = source.stream.state === "reconnecting" && source.stream.retryAt !== null;
  fill(
    element,
    h("span", { class: `status s-${name}` }, icon(name), h("span.word", words)),
    isWaiting && makeButton("small", { onclick: retry }, "Retry now"),
  );
}
