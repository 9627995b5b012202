// Tests the types that are made from schemas.

import assert from "node:assert/strict";
import { test } from "node:test";
import { types } from "./types.mjs";

/** The types of these schemas, on one line and without comments. */
const text = async (...all) =>
  (await types(all.map((schemas) => ({ components: { schemas } }))))
    .replaceAll(/\/\*\*[^]*?\*\//g, "")
    .replaceAll(/\s+/g, " ");

test("a field with a default may be absent", async () => {
  const A = { type: "object", required: ["b"], properties: { a: { type: "string", default: "x" }, b: {} } };
  assert.match(await text({ A }), /A: \{ a\?: string; b: unknown; \};/);
});

test("further properties do not narrow the named ones", async () => {
  const A = {
    type: "object",
    properties: { a: { type: "object", properties: { b: { type: "string" } } } },
    patternProperties: { "^x-": { type: "string" } },
    additionalProperties: false,
  };
  assert.match(await text({ A }), /A: \{ a\?: \{ b\?: string; \}; \} & \{ \[key: string\]: unknown; \};/);
});

test("alternatives inside of allOf hold together with its fields", async () => {
  const anyOf = ["a", "b"].map((name) => ({ type: "object", required: [name], properties: { [name]: {} } }));
  const A = { allOf: [{ type: "object", properties: { c: { type: "string" } } }, { anyOf }] };
  assert.match(await text({ A }), /A: \{ c\?: string; \} & \(\{ a: unknown; \} \| \{ b: unknown; \}\);/);
});

test("two schemas with one name must be the same", async () => {
  const A = { type: "string" };
  assert.match(await text({ A }, { A }), /export type A = /);
  await assert.rejects(text({ A }, { A: { type: "number" } }), /two schemas A differ/);
});
