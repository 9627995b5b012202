// Tests the description of the streams.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { streams, streamsOf } from "./streams.mjs";

const LINE = { $ref: "#/components/schemas/Line" };

/** A document with a stream of these events, and a path without a stream. */
const documentOf = (events) => ({
  info: { version: "1", license: { name: "MIT" } },
  servers: [{ url: "http://localhost:8080", description: "This machine" }],
  tags: [{ name: "rooms", description: "Rooms." }],
  paths: {
    "/rooms/{id}": {
      parameters: [{ name: "id", in: "path", required: true, description: "The id.", example: "a" }],
      get: {
        operationId: "follow",
        summary: "Follow",
        description: "Follows.",
        tags: ["rooms"],
        security: [{ key: [] }, { token: [] }, {}],
        parameters: [
          { name: "level", in: "query", description: "A level.", schema: LINE, example: "info" },
          { name: "limit", in: "query", "x-media-type": "application/json", schema: { type: "integer" } },
          { name: "Last-Event-ID", in: "header", schema: { type: "string" } },
        ],
        responses: { 200: { content: { "text/event-stream": { "x-sse-events": events } } } },
      },
      put: { operationId: "put", tags: ["rooms"], responses: { 200: { content: {} } } },
    },
  },
  components: {
    schemas: { Line: { description: "A line. It has a text.", type: "string" } },
    securitySchemes: {
      key: { type: "apiKey", in: "header", name: "X-Api-Key" },
      token: { type: "http", scheme: "bearer" },
      other: { type: "http", scheme: "basic" },
    },
  },
});

test("a stream has its address, messages, parameters and credentials", () => {
  const { channels, operations, components } = parse(streams(documentOf({ line: LINE }), "a.yml"));
  assert.deepEqual(channels, {
    follow: {
      address: "/rooms/{id}",
      title: "Follow",
      parameters: { id: { description: "The id.", examples: ["a"] } },
      messages: {
        line: {
          name: "line",
          title: "The event line",
          summary: "A line.",
          payload: { $ref: "./a.yml#/components/schemas/Line" },
        },
      },
    },
  });
  assert.deepEqual(operations.follow.bindings.http.query, {
    type: "object",
    properties: {
      level: {
        description: "A level.",
        allOf: [{ $ref: "./a.yml#/components/schemas/Line" }],
        examples: ["info"],
      },
    },
    additionalProperties: false,
  });
  const scheme = (name) => ({ $ref: `#/components/securitySchemes/${name}` });
  assert.deepEqual(operations.follow.security, [scheme("key"), scheme("token")]);
  assert.deepEqual(components.securitySchemes, {
    key: { type: "httpApiKey", in: "header", name: "X-Api-Key" },
    token: { type: "http", scheme: "bearer" },
  });
});

test("the schema of an event must have a name", () => {
  const inline = documentOf({ line: { type: "string" } });
  assert.throws(() => streams(inline, "a.yml"), /follow: the schema of the event line must be a reference/);
});

test("only operations that answer with a stream are streams", () => {
  const found = streamsOf(documentOf({ line: LINE })).map(({ path, method }) => `${method} ${path}`);
  assert.deepEqual(found, ["get /rooms/{id}"]);
});
