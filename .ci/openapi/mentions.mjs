// Compares the guides with the descriptions: a request that a guide names must be described, and a guide must
// name each request that is not for a page of the console.

import { METHODS } from "./document.mjs";

/** The code in a text that is a request, or several methods of one path: "GET`, `POST /path". */
const REQUESTS = /`((?:[A-Z]+`, `)*[A-Z]+) (\/[^\s`?#]*)/g;

/**
 * The other words in capitals that may stand before a slash. OpenAPI leaves out `HEAD` and `OPTIONS`, which
 * many paths have. `CI / build` is the name of a check.
 */
const OTHERS = ["HEAD", "OPTIONS", "CI"];

/** The paths of the documents, and the requests to each of them. A path without parameters comes first. */
function pathsOf(documents) {
  const paths = documents.flatMap((document) => Object.entries(document.paths));
  const count = (path) => path.split("{").length;
  return paths
    .sort(([a], [b]) => count(a) - count(b))
    .map(([path, item]) => {
      const parts = path.split(/\{[^}]+\}/).map((part) => part.replaceAll(".", "\\."));
      const methods = METHODS.filter((method) => item[method]).map((method) => ({
        method: method.toUpperCase(),
        isPage: item[method].tags.includes("console"),
        named: false,
      }));
      // A guide may name a resource, such as `/api/casts/site-1`.
      return { path, pattern: new RegExp(`^${parts.join("[^/]+")}$`), methods };
    });
}

/**
 * @param {any[]} documents
 * @param {Record<string, string>} guides Their texts, by their names.
 * @returns {string[]} The problems.
 */
export function mentions(documents, guides) {
  const paths = pathsOf(documents);
  const problems = [];
  for (const [guide, text] of Object.entries(guides)) {
    for (const [, methods, path] of text.matchAll(REQUESTS)) {
      for (const word of methods.split("`, `").filter((one) => !OTHERS.includes(one))) {
        const found = paths.find(({ pattern }) => pattern.test(path));
        const request = found?.methods.find(({ method }) => method === word);
        if (request) request.named = true;
        else if (!METHODS.includes(word.toLowerCase()))
          problems.push(`${guide}: ${word} is not a method: ${word} ${path}`);
        else problems.push(`${guide}: ${word} ${path} is not in openapi/`);
      }
    }
  }
  const silent = paths.flatMap(({ path, methods }) =>
    methods.filter(({ isPage, named }) => !isPage && !named).map(({ method }) => `${method} ${path}`),
  );
  return [...problems, ...silent.map((request) => `no guide in docs/ names ${request}`)];
}
