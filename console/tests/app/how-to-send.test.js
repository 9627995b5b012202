// Tests that the page and the README name the same command for the same purpose.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/** @param {string} path A path from the root of the repository. */
const read = (path) => readFile(new URL(`../../../${path}`, import.meta.url), "utf8");

test("the page installs heartbeat-agent with the same command as the README", async () => {
  const [readme] = /cargo install .*services\/heartbeat-agent/.exec(await read("README.md")) ?? [];
  assert.ok(readme, "the README has the command");
  assert.ok((await read("console/app/how-to-send.js")).includes(readme), readme);
});
