// Tests which requests of the guides are found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mentions } from "./mentions.mjs";

const operation = (tag) => ({ operationId: "x", tags: [tag] });
const DOCUMENT = {
  paths: {
    "/rooms/{id}": { get: operation("rooms"), put: operation("rooms") },
    "/": { get: operation("console") },
  },
};

test("a guide that names each request once has no problem", () => {
  const text = "`GET`, `PUT /rooms/{id}`, also `GET /rooms/build-1?tail=2`, and `SIGTERM /x`";
  assert.deepEqual(mentions([DOCUMENT], { "a.md": text }), []);
});

test("an unknown request and a request that no guide names are problems", () => {
  assert.deepEqual(mentions([DOCUMENT], { "a.md": "`GET /rooms/a`, `DELETE /rooms/a`, `GET /room`" }), [
    "a.md: DELETE /rooms/a is not in openapi/",
    "a.md: GET /room is not in openapi/",
    "no guide in docs/ names PUT /rooms/{id}",
  ]);
});
