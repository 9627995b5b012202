// Tests what `npm pack` puts into the packages, and what a project that installs them gets.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const CONSOLE = fileURLToPath(new URL("../../", import.meta.url));
const PACKAGES = ["client", "react"];
const folder = await mkdtemp(join(tmpdir(), "oasis-packages-"));
after(() => rm(folder, { recursive: true, force: true }));

/** What `npm pack` reports about each package. */
const packed = {};
for (const name of PACKAGES) {
  const args = ["pack", "--json", "--offline", "--pack-destination", folder];
  const { stdout } = await run("npm", args, { cwd: join(CONSOLE, name) });
  // The scripts of a package may print lines before the report.
  [packed[name]] = JSON.parse(stdout.slice(stdout.search(/^\[/m)));
}

/** A program that uses an installed package instead of the files of the package. */
const installed = (program, name) =>
  program
    .replace(`../../${name}/index.js`, `@oasis-devhub/${name}`)
    .replace(`../../${name}/casts.js`, `@oasis-devhub/${name}/casts`)
    .replace(`../../${name}/schemas.js`, `@oasis-devhub/${name}/schemas`);

/** The project of a user, who has installed both packages. */
const project = join(folder, "project");
const modules = join(project, "node_modules");
await mkdir(join(modules, "@oasis-devhub"), { recursive: true });
await mkdir(join(modules, "@types"));
for (const name of ["react", "csstype", "@types/react"])
  await symlink(join(CONSOLE, "node_modules", name), join(modules, name));
for (const name of PACKAGES) {
  const target = join(modules, "@oasis-devhub", name);
  await mkdir(target);
  await run("tar", ["-xzf", join(folder, packed[name].filename), "-C", target, "--strip-components=1"]);
}

for (const name of PACKAGES) {
  test(`${name}: a package has its modules, types, a README and a licence, and nothing else`, async () => {
    const files = packed[name].files.map(({ path }) => path).sort();
    const present = await readdir(join(CONSOLE, name));
    const sources = present.filter((file) => file.endsWith(".js"));
    const declared = present.filter((file) => file.endsWith(".js") || file.endsWith(".d.ts"));
    const types = files.filter((file) => file.startsWith("types/"));
    assert.ok(sources.length > 10);
    assert.deepEqual(
      files.filter((file) => !types.includes(file)),
      [...sources, "LICENSE.md", "README.md", "package.json"].sort(),
    );
    assert.deepEqual(types, declared.map((file) => `types/${file.replace(/\.js$/, ".d.ts")}`).sort());
    const left = await readdir(join(CONSOLE, name));
    assert.ok(!left.includes("types"), "the types do not stay in the folder");
  });

  test(`${name}: a package depends on nothing else, and can be shaken`, async () => {
    const described = JSON.parse(
      await readFile(join(modules, "@oasis-devhub", name, "package.json"), "utf8"),
    );
    const client = JSON.parse(await readFile(join(CONSOLE, "client/package.json"), "utf8"));
    const isReact = name === "react";
    assert.deepEqual(described.dependencies ?? {}, isReact ? { [client.name]: client.version } : {});
    assert.deepEqual(described.peerDependencies ?? {}, isReact ? { react: ">=18" } : {});
    assert.deepEqual(
      [described.type, described.sideEffects, described.license, described.version],
      ["module", false, "MIT OR Apache-2.0", client.version],
    );
  });
}

test("Node.js finds the exports of both packages", async () => {
  const script = `
    import * as client from "@oasis-devhub/client";
    import * as react from "@oasis-devhub/react";
    import * as clientCasts from "@oasis-devhub/client/casts";
    import * as reactCasts from "@oasis-devhub/react/casts";
    console.log(JSON.stringify([client, react, clientCasts, reactCasts].map(Object.keys)));`;
  await writeFile(join(project, "main.mjs"), script);
  const { stdout } = await run(process.execPath, ["--preserve-symlinks", join(project, "main.mjs")]);
  const [client, react, clientCasts, reactCasts] = JSON.parse(stdout);
  for (const name of ["OasisFeed", "OasisStream", "resourceProfile", "roomProfile"])
    assert.ok(client.includes(name), name);
  assert.deepEqual(react, [
    "EventToast",
    "SSEProvider",
    "createEventCache",
    "describeEvent",
    "isSSESupported",
    "useEventsStore",
    "useRoomLogs",
    "useSSE",
  ]);
  assert.deepEqual(clientCasts, ["castProfile", "isOver", "mergeCast", "queryCast", "queryCasts"]);
  assert.deepEqual(reactCasts, [
    "isSSESupported",
    "useCastEvents",
    "useCastPolling",
    "useCastStatus",
    "useCasts",
  ]);
});

test("a bundle has only what a page imports", async () => {
  const { build } = await import("esbuild");
  const sizeOf = async (contents) => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: project },
      bundle: true,
      minify: true,
      format: "esm",
      external: ["react"],
      write: false,
      logLevel: "error",
    });
    return outputFiles[0].contents.length;
  };
  const unused = ["react", "client", "react/casts", "client/casts"];
  assert.ok((await sizeOf(unused.map((name) => `import "@oasis-devhub/${name}";`).join(""))) < 100);
  const whole = await sizeOf('export * from "@oasis-devhub/react";');
  const rooms = await sizeOf('export { useRoomLogs } from "@oasis-devhub/react";');
  const store = await sizeOf('export { useEventsStore } from "@oasis-devhub/react";');
  assert.ok(store < 2_500 && store < rooms && rooms < 0.8 * whole, `${store}, ${rooms}, ${whole} bytes`);
});

test("TypeScript checks a project that uses the packages, and the examples of the README", async () => {
  const readme = await readFile(join(CONSOLE, "react/README.md"), "utf8");
  const examples = [...readme.matchAll(/```tsx\n(.*?)```/gs)].map(([, text]) => text);
  assert.ok(examples.length >= 4);
  const types = await readFile(join(CONSOLE, "tests/react/types.ts"), "utf8");
  const files = { "types.ts": installed(types, "react") };
  for (const [i, text] of examples.entries()) files[`example${i}.tsx`] = `${text}\nexport {};\n`;
  files["client.ts"] = installed(await readFile(join(CONSOLE, "tests/client/types.ts"), "utf8"), "client");
  for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), text);
  await writeFile(
    join(project, "parts.d.ts"),
    `declare module "sonner" { export const toast: (message: string, options?: object) => string; }
     declare function useSession(): { accessToken?: string } | null;
     declare function getToken(): Promise<string>;`,
  );
  for (const [module, moduleResolution] of [
    ["esnext", "bundler"],
    ["nodenext", "nodenext"],
  ]) {
    const compilerOptions = {
      target: "es2022",
      lib: ["es2022", "dom", "dom.iterable"],
      module,
      moduleResolution,
      jsx: "react-jsx",
      strict: true,
      noEmit: true,
      preserveSymlinks: true,
      types: [],
    };
    const include = ["*.ts", "*.tsx"];
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include }));
    await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
    const tsc = join(CONSOLE, "node_modules/.bin/tsc");
    await run(tsc, ["-p", project], { cwd: project }).catch(({ stdout }) => assert.fail(stdout));
  }
});
