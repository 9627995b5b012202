// Loads the pages of rooms, and the pages of casts, when the user opens one of them. So the other pages load
// no more than they need.

import { fill, h, on } from "./dom.js";
import { failureNote, skeleton } from "./labels.js";

/** @typedef {import("./router.js").Context} Context */

/**
 * @typedef {object} LazyPage
 * @property {HTMLElement} element
 * @property {string} title
 * @property {() => void} show
 * @property {(now: number) => void} tick
 * @property {() => void} leave Called when another page is shown.
 */

/**
 * A page that is shown until the pages of a part are loaded. It then leads to these pages.
 *
 * @template {Record<string, LazyPage>} P
 */
export class LazyPart {
  element = h("div.page", skeleton());
  title;
  #load;
  #context;
  #onLoad;
  /** @type {P | null} */
  #pages = null;
  #isLoading = false;

  /**
   * @param {string} title The title until the pages are loaded. In lower case, the name of the part's folder.
   * @param {() => Promise<{ pagesOf: (context: Context) => P }>} load
   * @param {Context} context
   * @param {() => void} onLoad
   */
  constructor(title, load, context, onLoad) {
    this.title = title;
    this.#load = load;
    this.#context = context;
    this.#onLoad = onLoad;
  }

  /** @param {keyof P} name */
  pageOf(name) {
    return this.#pages?.[name] ?? this;
  }

  /** Lets all pages except the one that is shown stop their work. @param {object} shown */
  leaveAllBut(shown) {
    for (const page of Object.values(this.#pages ?? {})) if (page !== shown) page.leave();
  }

  async show() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    fill(this.element, skeleton());
    try {
      const name = this.title.toLowerCase();
      const [{ pagesOf }] = await Promise.all([this.#load(), loadStyle(`${name}/${name}.css`)]);
      this.#pages = pagesOf(this.#context);
      this.#onLoad();
    } catch {
      // The files have other addresses after an update of the gateway, so only a reload of the page helps.
      const error = new Error("the gateway does not answer, or was updated");
      fill(this.element, ...failureNote("The page can't be loaded", error, () => location.reload()));
    }
    this.#isLoading = false;
  }

  tick() {}
}

/** @param {string} name */
function loadStyle(name) {
  const link = h("link", { rel: "stylesheet", href: new URL(name, import.meta.url).href });
  return new Promise((resolve, reject) => {
    on(link, "load", resolve);
    on(link, "error", reject);
    document.head.append(link);
  });
}
