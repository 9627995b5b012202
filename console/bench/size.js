// Prints the sizes of the packages, minified and compressed with gzip, with all their exports. Fails if a
// package is larger than its limit.
//
//   node console/bench/size.js

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** The limits, in bytes. The limit of the React package is what it adds to the client. */
const MOST = { client: 9_000, react: 6_000 };

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

const client = await sizeOf("client");
const react = (await sizeOf("client", "react")) - client;
console.log(`@oasis-devhub/client: ${kilobytes(client)}, at most ${kilobytes(MOST.client)}`);
console.log(`@oasis-devhub/react adds ${kilobytes(react)}, at most ${kilobytes(MOST.react)}`);
if (client > MOST.client || react > MOST.react) throw new Error("a package is too large");
