// Small helpers for the DOM. None of the helpers parses HTML: a string is always inserted as text.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * The attributes of an element. A function is added as a listener: `onclick` listens for `click`. Attributes
 * with the value null, undefined or false are left out.
 *
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes
 */

/**
 * Makes an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K | `${K}.${string}`} what The tag, with classes after dots: `section.panel.failures`.
 * @param {...(Attributes | Child)} parts
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(what, ...parts) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(/** @type {K} */ (tag));
  if (classes.length > 0) element.className = classes.join(" ");
  for (const part of parts) {
    if (part && typeof part === "object" && !(part instanceof Node)) setAttributes(element, part);
    else append(element, part);
  }
  return element;
}

/** @param {Element} element @param {Attributes} attributes */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, String(value));
  }
}

/**
 * @param {string} kind The button's classes, separated by dots.
 * @param {Attributes} attributes
 * @param {...Child} children
 */
export const makeButton = (kind, attributes, ...children) =>
  h(`button.${kind}`, { type: "button", ...attributes }, ...children);

/**
 * @template {string} N
 * @param {EventTarget} target
 * @param {N} names One event name, or several separated by spaces.
 * @param {(event: N extends keyof WindowEventMap ? WindowEventMap[N] : CustomEvent) => void} listener
 */
export function on(target, names, listener) {
  for (const name of names.split(" ")) target.addEventListener(name, /** @type {any} */ (listener));
}

/**
 * Makes a section with a heading.
 *
 * @param {string} kind The section's class.
 * @param {string} id The id of the heading.
 * @param {Child[]} heading
 * @param {Child} tool The element at the end of the heading's line.
 * @param {...Child} children
 */
export const panel = (kind, id, heading, tool, ...children) =>
  h(
    `section.panel.${kind}`,
    { "aria-labelledby": id },
    h("header", h("h2", { id }, ...heading), tool),
    ...children,
  );

/** @param {Element} element @param {Child} child */
function append(element, child) {
  if (child !== null && child !== undefined && child !== false)
    element.append(typeof child === "number" ? String(child) : child);
}

/** @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren();
  for (const child of children) append(element, child);
}

/**
 * Sets the text of a node, but only if the text has changed, because setting a text forces a layout.
 *
 * @param {Node} node
 * @param {string | number} text
 */
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = String(text);
}

/**
 * The first element inside `element` that matches the selector. There must be one.
 *
 * @param {Element} element
 * @param {string} selector
 */
export const part = (element, selector) => /** @type {HTMLElement} */ (element.querySelector(selector));

/**
 * Whether the version of an element's content differs from the last version. The element keeps the version.
 *
 * @param {HTMLElement} element
 * @param {string} version
 */
export function isNew({ dataset }, version) {
  const { version: last } = dataset;
  dataset.version = version;
  return last !== version;
}

/**
 * The target of an event, or its closest ancestor, that matches the selector.
 *
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null | undefined}
 */
export const closest = ({ target }, selector) =>
  target instanceof Element ? target.closest(selector) : null;

/**
 * Returns an element of index.html.
 *
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element with the id ${id}`);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Element} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Updates the elements of a list. An item that was in the list before keeps its element, and the element
 * keeps the focus.
 *
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} make
 * @param {(element: HTMLElement, item: T) => void} update
 */
export function keyed(parent, items, keyOf, make, update) {
  const wanted = new Map(items.map((item) => [keyOf(item), item]));
  /** @type {Map<string, HTMLElement>} */
  const existing = new Map();
  for (const child of [...parent.children]) {
    const key = child instanceof HTMLElement ? child.dataset.key : undefined;
    if (key !== undefined && wanted.has(key)) existing.set(key, /** @type {HTMLElement} */ (child));
    else child.remove();
  }
  const focused = document.activeElement;
  /** @type {Element | null} */
  let at = parent.firstElementChild;
  for (const [key, item] of wanted) {
    let element = existing.get(key);
    if (!element) {
      element = make(item);
      element.dataset.key = key;
    }
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  // An element loses the focus when it is moved.
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused))
    focused.focus({ preventScroll: true });
}

/** Copies a text to the clipboard. Returns whether the copy worked. @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard API needs a secure context (HTTPS or localhost). `execCommand` works in every context.
    const area = h("textarea.offscreen", { readonly: true, "aria-hidden": "true" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
