// Prints the sizes of the packages, minified and compressed with gzip, with all their exports. Fails if an
// entry is larger than its limit.
//
//   node console/bench/size.js

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What is measured. Each entry counts what it adds to the entries that it uses. The limits are in bytes. */
const ENTRIES = [
  { name: "client", uses: [], most: 9_000 },
  { name: "react", uses: ["client"], most: 6_000 },
  { name: "client/casts", uses: ["client"], most: 1_500 },
  { name: "react/casts", uses: ["client", "react", "client/casts"], most: 1_500 },
];

/** The size of some packages together. React itself is not counted. @param {string[]} packages */
async function sizeOf(...packages) {
  const { outputFiles } = await build({
    stdin: {
      contents: packages.map((name) => `export * from "@oasis-devhub/${name}";`).join("\n"),
      resolveDir: fileURLToPath(new URL("..", import.meta.url)),
    },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
    logLevel: "error",
  });
  return gzipSync(outputFiles[0]?.contents ?? new Uint8Array(), { level: 9 }).length;
}

/** @param {number} bytes */
const kilobytes = (bytes) => `${(bytes / 1_000).toFixed(3)} KB`;

let isTooLarge = false;
for (const { name, uses, most } of ENTRIES) {
  const before = uses.length > 0 ? await sizeOf(...uses) : 0;
  const bytes = (await sizeOf(...uses, name)) - before;
  const verb = uses.length > 0 ? " adds" : ":";
  console.log(`@oasis-devhub/${name}${verb} ${kilobytes(bytes)}, at most ${kilobytes(most)}`);
  if (bytes > most) isTooLarge = true;
}
if (isTooLarge) throw new Error("a package is too large");
