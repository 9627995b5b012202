// Tests which changes count as breaking.

import assert from "node:assert/strict";
import { test } from "node:test";
import { breaks } from "./breaks.mjs";

const document = (change = {}) => ({
  paths: {
    "/a": {
      get: {
        parameters: [{ name: "q", in: "query", schema: { type: "string", enum: ["x", "y"] } }],
        responses: {
          200: { content: { "application/json": { schema: { $ref: "#/components/schemas/A" } } } },
          404: {},
        },
      },
      post: {
        requestBody: {
          content: { "application/json": { schema: { properties: { n: { type: "integer" } } } } },
        },
      },
    },
  },
  components: {
    schemas: {
      A: {
        type: "object",
        required: ["id"],
        properties: { id: { type: "integer" }, of: { $ref: "#/components/schemas/A" } },
      },
    },
  },
  ...change,
});

/** What breaks if the new document is the old one with a change. */
function broken(change) {
  const after = structuredClone(document());
  change(after, after.paths["/a"], after.components.schemas.A);
  return breaks(document(), after);
}

test("no change and additions break nothing", () => {
  assert.deepEqual(
    broken(() => {}),
    [],
  );
  const added = broken((all, path, schema) => {
    all.paths["/b"] = { get: {} };
    path.get.parameters.push({ name: "new", in: "query" });
    path.get.parameters[0].schema.enum.push("z");
    schema.properties.more = { type: "string" };
    delete path.get.responses[404];
  });
  assert.deepEqual(added, []);
});

test("what a client may send must stay, and what it gets must stay", () => {
  for (const [change, text] of [
    [(all) => delete all.paths["/a"], "GET /a is gone"],
    [(_, path) => delete path.get, "GET /a is gone"],
    [(_, path) => path.get.parameters.pop(), "GET /a: the parameter q is gone"],
    [
      (_, path) => path.get.parameters.push({ name: "k", in: "query", required: true }),
      "GET /a: the parameter k is required now",
    ],
    [(_, path) => (path.get.parameters[0].required = true), "GET /a: the parameter q is required now"],
    [(_, path) => path.get.parameters[0].schema.enum.pop(), 'GET /a: q: "y" is gone'],
    [
      (_, path) => (path.get.parameters[0].schema.type = "integer"),
      "GET /a: q: the type was string and is integer",
    ],
    [(_, path) => delete path.get.responses[200], "GET /a: the answer 200 is gone"],
    [(_, _path, schema) => delete schema.properties.id, "GET /a: 200.id is gone"],
    [(_, _path, schema) => (schema.required = []), "GET /a: 200.id may be absent now"],
    [
      (_, _path, schema) => (schema.properties.id.type = ["integer", "null"]),
      "GET /a: 200.id: the type was integer and is integer or null",
    ],
    [(_, path) => (path.post.requestBody.required = true), "POST /a: the body is required now"],
    [
      (_, path) => (path.post.requestBody.content["application/json"].schema.required = ["n"]),
      "POST /a: the body.n is required now",
    ],
  ]) {
    assert.ok(broken(change).includes(text), `${text}: ${broken(change)}`);
  }
});
