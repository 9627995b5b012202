// Defines `EventToast`: shows a toast for each event that arrives while the component is mounted.

import { createElement as h, useEffect, useInsertionEffect, useRef, useState } from "react";
import { describeEvent } from "./describe.js";
import { watchEvents } from "./events-store.js";
import { fold } from "./notices.js";

/** @typedef {import("./notices.js").Notice} Notice */
/** @typedef {import("./types.js").EventToastProps} Props */

/** The longest delay of a timer. A toast with a later end stays. */
const LONGEST_MS = 2 ** 31 - 1;
/** Toasts stay while one of these bits is set. */
const HOVERED = 1;
const FOCUSED = 2;

/** The icon and the colour of each variant. @type {Record<import("./types.js").Variant, [string, string]>} */
const VARIANTS = {
  success: ["✓", "#1a7f37"],
  error: ["✕", "#b3261e"],
  warning: ["!", "#8a5300"],
  info: ["i", "#0b57d0"],
};

/** @param {Props} props */
export function EventToast(props) {
  const { position = "bottom-right", className, toast } = props;
  const [notices, setNotices] = useState(/** @type {Notice[]} */ ([]));
  const [held, setHeld] = useState(0);
  const list = useRef(notices);
  const latest = useRef(props);
  useInsertionEffect(() => {
    latest.current = props;
  });
  const show = (/** @type {Notice[]} */ next) => {
    list.current = next;
    setNotices(next);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: the effect reads the latest props
  useEffect(
    () =>
      watchEvents((events) => {
        const { duration = 5_000, max = 5, filter, describe = describeEvent, toast } = latest.current;
        const now = Date.now();
        const folded = fold(list.current, events, { now, duration, max, filter, describe });
        if (!toast) return show(folded.list);
        list.current = folded.list;
        for (const notice of folded.changed) showWith(toast, notice, duration);
      }),
    [],
  );
  /** @param {number} bit */
  const hold = (bit) => () => setHeld((bits) => bits | bit);
  /** @param {number} bit */
  const free = (bit) => () => setHeld((bits) => bits & ~bit);
  const paused = held > 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `show` needs no current values
  useEffect(() => {
    // Elements that disappear send no event for the pointer and the focus.
    if (notices.length === 0) setHeld(0);
    const rest = Math.min(...notices.map(({ until }) => until)) - Date.now();
    if (paused || rest > LONGEST_MS) return;
    const expire = () => show(list.current.filter(({ until }) => until > Date.now()));
    const timer = setTimeout(expire, rest);
    return () => clearTimeout(timer);
  }, [notices, paused]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `show` needs no current values
  useEffect(() => {
    if (!paused) return;
    const from = Date.now();
    return () => {
      const pause = Date.now() - from;
      show(list.current.map((notice) => ({ ...notice, until: notice.until + pause })));
    };
  }, [paused]);
  if (toast) return null;
  return h(
    "div",
    {
      role: "status",
      "aria-live": "polite",
      "aria-atomic": false,
      className,
      style: container(position),
      onMouseEnter: hold(HOVERED),
      onMouseLeave: free(HOVERED),
      onFocus: hold(FOCUSED),
      onBlur: free(FOCUSED),
    },
    notices.map((notice) => {
      const dismiss = () => {
        free(FOCUSED)();
        show(list.current.filter(({ key }) => key !== notice.key));
      };
      return h(Toast, { key: notice.key, notice, dismiss });
    }),
  );
}

/** @param {{ notice: Notice, dismiss: () => void }} props */
function Toast({ notice, dismiss }) {
  const { title, description, variant, count } = notice;
  const [icon, colour] = VARIANTS[variant];
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    if (globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches) return;
    const frames = [{ opacity: 0, transform: "translateY(8px)" }, {}];
    element.current?.animate?.(frames, { duration: 150, easing: "ease-out" });
  }, []);
  const shown = { background: colour, color: "#fff", ...ROUND };
  return h(
    "div",
    { ref: element, style: BOX, "data-variant": variant },
    h("span", { "aria-hidden": true, style: shown }, notice.icon ?? icon),
    h(
      "div",
      { style: TEXT },
      h("strong", null, title, count > 1 && ` ×${count}`),
      description && h("div", null, description),
    ),
    h("button", { type: "button", "aria-label": `Dismiss: ${title}`, onClick: dismiss, style: BUTTON }, "×"),
  );
}

/** @param {import("./types.js").ToastFunction} toast @param {Notice} notice @param {number} duration */
function showWith(toast, { key, title, description, variant, count }, duration) {
  const own = /** @type {any} */ (toast)[variant];
  const message = count > 1 ? `${title} ×${count}` : title;
  (typeof own === "function" ? own : toast)(message, { id: key, description, duration });
}

/** @typedef {import("react").CSSProperties} Style */

/** @param {string} position @returns {Style} */
function container(position) {
  const [vertical = "", horizontal = ""] = position.split("-");
  return {
    position: "fixed",
    [vertical]: 16,
    [horizontal]: 16,
    zIndex: 9_999,
    display: "flex",
    flexDirection: vertical === "top" ? "column-reverse" : "column",
    gap: 8,
    width: "min(360px, calc(100vw - 32px))",
    pointerEvents: "none",
  };
}

/** @type {Style} */
const BOX = {
  display: "flex",
  alignItems: "flex-start",
  gap: 10,
  padding: 12,
  border: "1px solid #8888",
  borderRadius: 8,
  background: "Canvas",
  color: "CanvasText",
  font: "14px/1.4 system-ui",
  pointerEvents: "auto",
};
/** @type {Style} */
const ROUND = { flex: "none", width: 20, borderRadius: 10, lineHeight: "20px", textAlign: "center" };
/** @type {Style} */
const TEXT = { flex: 1, minWidth: 0, maxHeight: "12em", overflow: "auto", overflowWrap: "anywhere" };
/** @type {Style} */
const BUTTON = {
  flex: "none",
  width: 24,
  height: 24,
  border: 0,
  background: "none",
  color: "inherit",
  font: "inherit",
};
