// Tests that the styles cover every state, and that they name no state that does not exist.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { isFailure, phaseOf, STATUSES } from "../../app/sets.js";

const APP = new URL("../../app/", import.meta.url);
const STYLES = readdirSync(APP, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".css"))
  .map((name) => readFileSync(new URL(name, APP), "utf8").replace(/\/\*.*?\*\//gs, ""))
  .join("\n");

/** The states of agents that have a colour. */
const AGENTS = ["working", "idle", "late", "lost", "stopped"];

/**
 * The rules of a style sheet, with nested selectors expanded.
 *
 * @param {string} text
 * @param {string[]} parents
 * @returns {{ selectors: string[], declarations: string }[]}
 */
function rulesOf(text, parents = []) {
  /** @type {ReturnType<typeof rulesOf>} */
  const rules = [];
  let declarations = "";
  for (let at = 0; at < text.length; ) {
    const [head = "", mark = ""] = /[^;{]*([;{]|$)/.exec(text.slice(at)) ?? [];
    at += head.length;
    if (mark !== "{") {
      declarations += head;
      continue;
    }
    const begin = at;
    for (let depth = 1; depth > 0; at++) depth += { "{": 1, "}": -1 }[text[at] ?? ""] ?? 0;
    const inner = text.slice(begin, at - 1);
    const selectors = head.slice(0, -1).trim().split(/,\s*/);
    const full = (/** @type {string} */ one) =>
      parents.map((parent) => (one.includes("&") ? one.replace("&", parent) : `${parent} ${one}`));
    if (head.trim().startsWith("@")) rules.push(...rulesOf(inner, parents));
    else rules.push(...rulesOf(inner, parents.length > 0 ? selectors.flatMap(full) : selectors));
  }
  return [{ selectors: parents, declarations }, ...rules];
}

/** The selectors of the rules that set `property`. @param {RegExp} property */
const selectorsOf = (property) =>
  rulesOf(STYLES).flatMap(({ selectors, declarations }) => (property.test(declarations) ? selectors : []));

test("every status and agent state has a colour", () => {
  const coloured = selectorsOf(/--state:/);
  for (const status of [...STATUSES, ...AGENTS]) assert.ok(coloured.includes(`.s-${status}`), status);
});

test("a failed row has a background, and the icon of a running run turns", () => {
  for (const status of STATUSES.filter(isFailure))
    assert.ok(selectorsOf(/background:/).includes(`.row.s-${status}`), status);
  for (const status of STATUSES.filter((one) => phaseOf(one) === "runs"))
    assert.ok(selectorsOf(/animation: spin/).includes(`.run .i-${status}`), status);
});

test("no style names a state that does not exist", () => {
  const states = new Set([...STATUSES, ...AGENTS]);
  const named = [...STYLES.matchAll(/\.s-([a-z_]+)/g)].map(([, name]) => name ?? "");
  assert.ok(named.length >= STATUSES.length);
  assert.deepEqual(
    named.filter((name) => !states.has(name)),
    [],
  );
});
