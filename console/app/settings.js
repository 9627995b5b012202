// Reads and writes the browser's storage: starred tasks, dismissed failures, the theme, the notification
// setting and the token. Stored values are validated, because other code may have changed them.

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
    // Storage may fail in a private window or on a full disk. The value still lasts until the page is closed.
  }
}

/** Calls `work` when another tab has changed the value. @param {string} name @param {() => void} work */
export function onChangeElsewhere(name, work) {
  globalThis.addEventListener?.("storage", ({ key }) => {
    if (key === `oasis.${name}`) work();
  });
}

/** A set of texts in the browser's storage. The set keeps only the last 1,000 texts. */
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

  /** @param {string} value @param {boolean} isMember */
  set(value, isMember) {
    this.#values.delete(value);
    if (isMember) this.add([value]);
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

/** Returns the tab's token. If the address has a token, moves this token to the tab's storage first. */
export function takeToken() {
  const url = new URL(location.href);
  const token = tokenIn(url.hash) ?? url.searchParams.get("token");
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

/**
 * The token after `#token=`; null if there is none. Browsers do not send this part of an address, so it is in
 * no log.
 *
 * @param {string} hash
 */
const tokenIn = (hash) => new URLSearchParams(hash.slice(1)).get("token");

/** Reloads the page if the user adds a token to its address, so that the page takes the token. */
export function watchForToken() {
  globalThis.addEventListener("hashchange", () => {
    if (tokenIn(location.hash) === null) return;
    takeToken();
    location.reload();
  });
}

/** The pattern of a valid token. The form that asks for a token uses the pattern too. */
export const TOKEN = "[!-~]+";

/** @param {string | null} token */
const usable = (token) => (token && new RegExp(`^${TOKEN}$`).test(token) ? token : undefined);

/** @param {string} token */
export function keepToken(token) {
  try {
    if (token) sessionStorage.setItem("oasis.token", token);
    else sessionStorage.removeItem("oasis.token");
  } catch {
    // Without storage, the token lasts until the page is closed.
  }
}
