// Every state has a colour, and no style is of a state or an icon that is no more.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { isFailure, phaseOf, STATUSES } from "../../app/sets.js";

const APP = new URL("../../app/", import.meta.url);
const SHEETS = readdirSync(APP).filter((name) => name.endsWith(".css"));
const STYLES = SHEETS.map((name) => readFileSync(new URL(name, APP), "utf8")).join("\n");

/** What agents are in, which have colours as well. */
const AGENTS = ["working", "idle", "late", "lost", "stopped"];

/** The selectors of the rules that set `property`. @param {RegExp} property */
const selectorsOf = (property) =>
  [...STYLES.matchAll(/([^{}]+)\{([^{}]*)\}/g)]
    .filter(([, , declarations]) => property.test(declarations ?? ""))
    .flatMap(([, selectors]) => (selectors ?? "").split(",").map((one) => one.trim().split("\n").at(-1)));

test("every status has its colour", () => {
  const coloured = selectorsOf(/--state:/);
  for (const status of [...STATUSES, ...AGENTS]) assert.ok(coloured.includes(`.s-${status}`), status);
});

test("a failure's row stands out, and what runs turns", () => {
  for (const status of STATUSES.filter(isFailure))
    assert.ok(selectorsOf(/background:/).includes(`.row.s-${status}`), status);
  for (const status of STATUSES.filter((one) => phaseOf(one) === "runs"))
    assert.ok(
      selectorsOf(/animation: spin/).some((one) => one?.endsWith(`.run .i-${status}`)),
      status,
    );
});

test("no style is left of a status that is no more", () => {
  const states = new Set([...STATUSES, ...AGENTS, "replaced"]);
  const named = [...STYLES.matchAll(/\.s-([a-z_]+)/g)].map(([, name]) => name ?? "");
  assert.ok(named.length >= STATUSES.length);
  assert.deepEqual(
    named.filter((name) => !states.has(name)),
    [],
  );
});
