// What this browser remembers: tasks with a star, dismissed failures, the theme. Bounded, and of any content.

const MOST = 1_000;

/** @param {string} name @returns {unknown} */
function read(name) {
  try {
    return JSON.parse(localStorage.getItem(`oasis.${name}`) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} name @param {unknown} value */
function write(name, value) {
  try {
    localStorage.setItem(`oasis.${name}`, JSON.stringify(value));
  } catch {
    // Private windows and full disks: it holds until the page is closed.
  }
}

/** Calls `work` when another tab has changed what is kept. @param {string} name @param {() => void} work */
export function onChangeElsewhere(name, work) {
  globalThis.addEventListener?.("storage", ({ key }) => {
    if (key === `oasis.${name}`) work();
  });
}

/** A set of texts, of which the oldest are forgotten beyond a bound. */
export class KeptSet extends EventTarget {
  #name;
  /** @type {Set<string>} */
  #values;

  /** @param {string} name */
  constructor(name) {
    super();
    this.#name = name;
    this.#values = this.#read();
    onChangeElsewhere(name, () => {
      this.#values = this.#read();
      this.dispatchEvent(new Event("change"));
    });
  }

  #read() {
    const kept = read(this.#name);
    return new Set(Array.isArray(kept) ? kept.filter((value) => typeof value === "string").slice(-MOST) : []);
  }

  /** @returns {ReadonlySet<string>} */
  get values() {
    return this.#values;
  }

  /** @param {string} value @param {boolean} there */
  set(value, there) {
    this.#values.delete(value);
    if (there) this.add([value]);
    else this.#keep();
  }

  /** @param {Iterable<string>} values */
  add(values) {
    for (const value of values) this.#values.add(value);
    for (const oldest of this.#values) {
      if (this.#values.size <= MOST) break;
      this.#values.delete(oldest);
    }
    this.#keep();
  }

  #keep() {
    write(this.#name, [...this.#values]);
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {string} name */
export const recall = (name) => {
  const value = read(name);
  return typeof value === "string" ? value : null;
};

/** @param {string} name @param {string | null} value */
export const remember = (name, value) => write(name, value);

/** The token: taken out of the address, kept as long as the tab. */
export function takeToken() {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token !== null) {
    url.searchParams.delete("token");
    history.replaceState(null, "", `${url.pathname}${url.search}`);
    keepToken(token);
    return usable(token);
  }
  try {
    return usable(sessionStorage.getItem("oasis.token"));
  } catch {
    return undefined;
  }
}

/** What a token is made of, as a form checks it. A header takes nothing else. */
export const TOKEN = "[!-~]+";

/** @param {string | null} token */
const usable = (token) => (token && new RegExp(`^${TOKEN}$`).test(token) ? token : undefined);

/** @param {string} token */
export function keepToken(token) {
  try {
    if (token) sessionStorage.setItem("oasis.token", token);
    else sessionStorage.removeItem("oasis.token");
  } catch {
    // As above.
  }
}
