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
      put: {
        requestBody: {
          content: { "application/json": { schema: { $ref: "#/components/schemas/Change" } } },
        },
      },
    },
    "/stream": {
      get: {
        responses: {
          200: {
            content: {
              "text/event-stream": {
                schema: { type: "string" },
                "x-sse-events": {
                  line: { $ref: "#/components/schemas/Line" },
                  close: { oneOf: [{ $ref: "#/components/schemas/A" }, { $ref: "#/components/schemas/B" }] },
                },
              },
            },
          },
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
      B: { type: "object", properties: { name: { type: "string", enum: ["x"] } } },
      Change: {
        allOf: [
          { oneOf: [{ $ref: "#/components/schemas/A" }, { $ref: "#/components/schemas/B" }] },
          { type: "object", properties: { level: { type: "string", enum: ["low", "high"] } } },
        ],
      },
      Line: {
        allOf: [
          { type: "object", required: ["text"], properties: { text: { type: "string" } } },
          { type: "object", properties: { code: { description: "The set is open.", enum: ["a"] } } },
        ],
      },
    },
  },
  ...change,
});

const events = (all) => all.paths["/stream"].get.responses[200].content["text/event-stream"]["x-sse-events"];

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

test("the events of a stream must stay, with their fields", () => {
  for (const [change, text] of [
    [(all) => delete events(all).line, "GET /stream: 200: the event line is gone"],
    [
      (all) => delete all.components.schemas.Line.allOf[0].properties.text,
      "GET /stream: 200: line.text is gone",
    ],
    [
      (all) => (all.components.schemas.Line.allOf[0].required = []),
      "GET /stream: 200: line.text may be absent now",
    ],
    [
      (all) => events(all).close.oneOf.push({ $ref: "#/components/schemas/Line" }),
      "GET /stream: 200: close: the alternative Line is new",
    ],
    [
      (all) => all.components.schemas.B.properties.name.enum.push("y"),
      'GET /stream: 200: close (B).name: "y" is new',
    ],
    [
      (all) => delete all.components.schemas.B.properties.name.enum,
      "GET /stream: 200: close (B).name: other values may occur now",
    ],
  ]) {
    assert.ok(broken(change).includes(text), `${text}: ${broken(change)}`);
  }
  const added = broken((all) => {
    events(all).more = {};
    events(all).close.oneOf.pop();
    all.components.schemas.Line.allOf[1].properties.code.enum.push("b");
  });
  assert.deepEqual(added, []);
});

test("each alternative of a request must stay, with the values that it allows", () => {
  for (const [change, text] of [
    [
      (all) => all.components.schemas.Change.allOf[0].oneOf.pop(),
      "PUT /a: the body: the alternative B is gone",
    ],
    [
      (all) => all.components.schemas.Change.allOf[1].properties.level.enum.pop(),
      'PUT /a: the body (B).level: "high" is gone',
    ],
    [
      (all) => (all.components.schemas.B.properties.name.enum = ["z"]),
      'PUT /a: the body (B).name: "x" is gone',
    ],
    [
      (all) => (all.components.schemas.B.required = ["name"]),
      "PUT /a: the body (B).name is required now",
    ],
  ]) {
    assert.ok(broken(change).includes(text), `${text}: ${broken(change)}`);
  }
  const added = broken((all) => {
    const { Change } = all.components.schemas;
    Change.allOf[0].oneOf.push({ $ref: "#/components/schemas/Line" });
    Change.allOf[1].properties.level.enum.push("middle");
  });
  assert.deepEqual(added, []);
});

test("an answer that becomes one of several schemas must have what it had", () => {
  const change = (second) => (_, path, schema) => {
    const oneOf = [{ ...schema, required: ["id", "of"] }, { ...schema, ...second }];
    path.get.responses[200].content["application/json"].schema = { oneOf };
  };
  assert.deepEqual(broken(change({ required: ["id", "name"] })), []);
  const lax = broken(change({ required: [] }));
  assert.ok(lax.includes("GET /a: 200 (object).id may be absent now"), `${lax}`);
});

test("an object that the description repeats in another form has not changed", () => {
  const same = broken((all) => {
    const { Line } = all.components.schemas;
    all.components.schemas.Line = {
      type: "object",
      required: ["text"],
      properties: { text: { type: ["string"] }, code: Line.allOf[1].properties.code },
    };
  });
  assert.deepEqual(same, []);
});
