// Checks the descriptions in openapi/: Spectral with the rules in .spectral.yaml, the files that are
// generated from them, and changes that would break clients of the last tag. The generated files are the page
// that the gateway serves at /docs, the description of the streams, and the types of the client. `--write`
// generates them again.
//
// Usage: node .ci/openapi/check.mjs [--write]

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { breaks } from "./breaks.mjs";
import { mentions } from "./mentions.mjs";
import { render } from "./render.mjs";
import { streams, streamsOf } from "./streams.mjs";
import { types } from "./types.mjs";

const HERE = import.meta.dirname;
const REPO = path.resolve(HERE, "../..");
const FILES = ["gateway-v1.yml", "oasis-v1.yml"].map((name) => `openapi/${name}`);
const PAGE = "console/app/docs/docs.html";
const STREAMS = "openapi/streams-v1.yml";
const TYPES = "console/client/schemas.d.ts";

const problems = [];
const read = (file) => fs.readFileSync(path.join(REPO, file), "utf8");
const git = (...args) =>
  execFileSync("git", ["-C", REPO, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

function lint(...files) {
  const spectral = path.join(HERE, "node_modules/.bin/spectral");
  const args = ["lint", "--ruleset", ".spectral.yaml", "--fail-severity=warn", ...files];
  try {
    execFileSync(spectral, args, { cwd: REPO, stdio: "inherit" });
  } catch {
    problems.push(`Spectral has findings in ${files.join(" or ")}`);
  }
}

/** Ends the check if there are problems. */
function stop() {
  if (problems.length === 0) return;
  console.error(problems.join("\n"));
  process.exit(1);
}

// The other checks rely on the rules of Spectral.
lint(...FILES);
stop();

const documents = FILES.map((file) => parse(read(file), { maxAliasCount: -1 }));
const operations = documents.flatMap(({ paths }) =>
  Object.values(paths).flatMap((item) => Object.values(item).flatMap((one) => one?.operationId ?? [])),
);
if (new Set(operations).size !== operations.length) problems.push("two operations have the same operationId");

const [gateway, ...others] = documents;
for (const [nth, document] of others.entries())
  for (const one of streamsOf(document))
    problems.push(`${FILES[nth + 1]}: ${STREAMS} leaves out ${one.method.toUpperCase()} ${one.path}`);

const names = FILES.map((file) => path.basename(file));
const generated = {
  [PAGE]: () => render(documents, names, path.basename(STREAMS)),
  [TYPES]: () => types(documents),
  [STREAMS]: () => streams(gateway, names[0]),
};
for (const [file, generate] of Object.entries(generated)) {
  try {
    const text = await generate();
    if (process.argv.includes("--write")) fs.writeFileSync(path.join(REPO, file), text);
    else if (read(file) !== text)
      problems.push(`${file} is not current: run node .ci/openapi/check.mjs --write`);
  } catch (error) {
    problems.push(`${file} cannot be generated: ${error.message}`);
  }
}
lint(STREAMS);

const guides = fs.readdirSync(path.join(REPO, "docs")).filter((name) => name.endsWith(".md"));
problems.push(
  ...mentions(documents, Object.fromEntries(guides.map((name) => [`docs/${name}`, read(`docs/${name}`)]))),
);

let tag = null;
try {
  tag = git("describe", "--tags", "--abbrev=0").trim();
} catch {
  // There is no tag yet, so there are no clients of a release.
}
for (const [nth, file] of tag ? FILES.entries() : []) {
  // An old release may not have the file.
  if (!git("ls-tree", "--name-only", tag, file).trim()) continue;
  const before = parse(git("show", `${tag}:${file}`), { maxAliasCount: -1 });
  for (const change of breaks(before, documents[nth])) problems.push(`${file}, since ${tag}: ${change}`);
}
stop();
console.log(`openapi: ${operations.length} operations; compared with ${tag ?? "no tag"}`);
