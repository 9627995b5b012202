// What the tools share: the methods of a path, and the references within a document.

export const METHODS = ["get", "put", "post", "patch", "delete"];

/** Follows a reference. Also returns the last part of its path, the name of what it refers to. */
export function resolve(document, value) {
  let [at, name] = [value, null];
  for (let steps = 0; at?.$ref && steps < 16; steps += 1) {
    const keys = at.$ref.slice(2).split("/");
    name = keys.at(-1);
    at = keys.reduce((node, key) => node?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
  }
  return { value: at ?? {}, name };
}
