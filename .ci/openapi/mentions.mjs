// Compares the guides with the descriptions: a request that a guide names must be described, and a guide must
// name each request that is not for a page of the console.

import { METHODS } from "./document.mjs";

/** The code in a text that is a request, or several methods of one path: "GET`, `POST /path". */
const REQUESTS = /`((?:[A-Z]+`, `)*[A-Z]+) (\/[^\s`?#]*)/g;

/**
 * @param {any[]} documents
 * @param {Record<string, string>} guides Their texts, by their names.
 * @returns {string[]} The problems.
 */
export function mentions(documents, guides) {
  const described = documents.flatMap(({ paths }) =>
    Object.entries(paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => {
        const parts = path.split(/\{[^}]+\}/).map((part) => part.replaceAll(".", "\\."));
        return {
          request: `${method.toUpperCase()} ${path}`,
          method: method.toUpperCase(),
          // A guide may name a resource, such as `/api/casts/site-1`.
          pattern: new RegExp(`^${parts.join("[^/]+")}$`),
          isPage: item[method].tags.includes("console"),
          named: false,
        };
      }),
    ),
  );
  const problems = [];
  for (const [guide, text] of Object.entries(guides)) {
    for (const [, methods, path] of text.matchAll(REQUESTS)) {
      for (const method of methods.split("`, `").filter((name) => METHODS.includes(name.toLowerCase()))) {
        const found = described.filter((one) => one.method === method && one.pattern.test(path));
        for (const one of found) one.named = true;
        if (found.length === 0) problems.push(`${guide}: ${method} ${path} is not in openapi/`);
      }
    }
  }
  const silent = described.filter(({ isPage, named }) => !isPage && !named);
  return [...problems, ...silent.map(({ request }) => `no guide in docs/ names ${request}`)];
}
