// The page knows the closed sets of the gateway.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { SOURCES, STATUSES } from "../../app/sets.js";
import { event, Stack } from "./stack.js";

const stack = await Stack.start();
after(() => stack.remove());

/** The values that the gateway offers when it refuses one. @param {"status" | "source"} field */
async function taken(field) {
  const refused = await stack.send([event({ [field]: "unheard.of" })]).catch(String);
  const listed = /expected one of ([a-z_., ]+)/.exec(String(refused))?.[1];
  return listed?.split(", ").sort();
}

test("the page has an entry for each status and each source that the gateway takes", async () => {
  assert.deepEqual(await taken("status"), [...STATUSES].sort());
  assert.deepEqual(await taken("source"), [...SOURCES].sort());
});
