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
  const text = "`GET`, `PUT /rooms/{id}`, also `GET /rooms/build-1?tail=2`, `HEAD /rooms/a` and `CI / build`";
  assert.deepEqual(mentions([DOCUMENT], { "a.md": text }), []);
});

test("an unknown request and a request that no guide names are problems", () => {
  assert.deepEqual(mentions([DOCUMENT], { "a.md": "`GET /rooms/a`, `DELETE /rooms/a`, `GET /room`" }), [
    "a.md: DELETE /rooms/a is not in openapi/",
    "a.md: GET /room is not in openapi/",
    "no guide in docs/ names PUT /rooms/{id}",
  ]);
});

test("a path without parameters comes before one with them", () => {
  const own = { paths: { "/rooms/own": { get: operation("rooms") } } };
  assert.deepEqual(mentions([DOCUMENT, own], { "a.md": "`GET`, `PUT /rooms/own`" }), [
    "a.md: PUT /rooms/own is not in openapi/",
    "no guide in docs/ names GET /rooms/{id}",
    "no guide in docs/ names PUT /rooms/{id}",
  ]);
  assert.deepEqual(mentions([DOCUMENT, own], { "a.md": "`GET`, `PUT /rooms/a`" }), [
    "no guide in docs/ names GET /rooms/own",
  ]);
});

test("an unknown word in capitals before a path is a problem", () => {
  assert.deepEqual(mentions([DOCUMENT], { "a.md": "`GET`, `PUT /rooms/a`, `FETCH /rooms/a`" }), [
    "a.md: FETCH is not a method: FETCH /rooms/a",
  ]);
});
