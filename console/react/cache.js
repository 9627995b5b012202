// Keeps events and cursors in IndexedDB. Without IndexedDB, and if it fails, nothing is stored.

/** @typedef {import("./types.js").Saved} Saved */
/** @typedef {import("./types.js").EventCache} EventCache */

const STORE = "streams";
/** Entries that were not written for this time are removed. */
const MOST_AGE_MS = 7 * 24 * 3_600_000;

/**
 * Makes a cache for the option `persist`.
 *
 * @param {{ name?: string, max?: number, user?: string }} [options] The name of the database, the number of
 *   events to keep per stream (by default 100), and the user whose events these are. By default, the token
 *   identifies the user.
 * @returns {EventCache}
 */
export function createEventCache({ name = "oasis-devhub", max = 100, user } = {}) {
  /** @type {Promise<IDBDatabase> | null} */
  let opened = null;
  /**
   * Does one request.
   *
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} request
   * @returns {Promise<any>} Null if the request failed.
   */
  const run = async (mode, request) => {
    try {
      opened ??= open(name);
      const transaction = (await opened).transaction(STORE, mode);
      const done = settled(request(transaction.objectStore(STORE)));
      // A page that is closed can't wait for the end of the request.
      transaction.commit();
      return await done;
    } catch {
      // A private window may refuse to store, the disk may be full, and another tab may delete the database.
      opened = null;
      return null;
    }
  };
  return {
    name,
    max,
    user,
    load: async (key) => (await run("readonly", (store) => store.get(key))) ?? null,
    save: (key, saved) => run("readwrite", (store) => store.put({ ...saved, savedAt: Date.now() }, key)),
    clear: () => run("readwrite", (store) => store.clear()),
  };
}

/** @type {EventCache | undefined} */
let shared;

/** The cache of the option `persist: true`. */
export function sharedCache() {
  shared ??= createEventCache();
  return shared;
}

/** @param {string} name @returns {Promise<IDBDatabase>} */
async function open(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  const database = await settled(request);
  const store = database.transaction(STORE, "readwrite").objectStore(STORE);
  const walk = store.openCursor();
  walk.onsuccess = () => {
    const entry = walk.result;
    if (!entry) return;
    if (Date.now() - entry.value.savedAt > MOST_AGE_MS) entry.delete();
    entry.continue();
  };
  return database;
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
