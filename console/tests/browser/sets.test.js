// Tests that the page knows the statuses and sources that the gateway accepts, and no others.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { SOURCES, STATUSES } from "../../app/sets.js";
import { event, Stack } from "./stack.js";

const stack = await Stack.start();
after(() => stack.remove());

/**
 * Returns the accepted values. The gateway lists these values in the error for an unknown value.
 *
 * @param {"status" | "source"} field
 */
async function accepted(field) {
  const refused = await stack.send([event({ [field]: "unheard.of" })]).catch(String);
  const listed = /expected one of ([a-z_., ]+)/.exec(String(refused))?.[1];
  return listed?.split(", ").sort();
}

test("the page has an entry for each status and source that the gateway accepts", async () => {
  assert.deepEqual(await accepted("status"), [...STATUSES].sort());
  assert.deepEqual(await accepted("source"), [...SOURCES].sort());
});
