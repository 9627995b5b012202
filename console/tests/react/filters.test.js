import assert from "node:assert/strict";
import { test } from "node:test";

import { normalised } from "../../react/filters.js";
import { userOf } from "../../react/user.js";

test("filters with the same meaning have the same form", () => {
  const form = (filters) => JSON.stringify(normalised(filters));
  const wanted = form({ cluster_id: "eu-1", workload_id: ["api", "web"] });
  for (const filters of [
    { workload_id: ["web", "api"], cluster_id: "eu-1" },
    { workload_id: "web, api,", cluster_id: ["eu-1"], project_id: [] },
    { workload_id: ["web", "api", "web"], cluster_id: " eu-1 ", project_id: undefined, resource_type: null },
    { workload_id: "api,web", cluster_id: "eu-1", event_types: "", enabled: true, maxEvents: 7 },
  ])
    assert.equal(form(filters), wanted);
  assert.notEqual(form({ workload_id: "eu-1", cluster_id: ["api", "web"] }), wanted);
  assert.deepEqual(normalised({}), {});
});

test("a token identifies its user, and two tokens of one user identify the same user", () => {
  const token = (claims) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    return `${part({ alg: "HS256" })}.${part(claims)}.signature`;
  };
  const user = userOf(token({ iss: "a", sub: "älice", exp: 1 }));
  assert.equal(user, userOf(token({ iss: "a", sub: "älice", exp: 2 })));
  for (const other of [token({ iss: "b", sub: "älice" }), token({ sub: "bob" })])
    assert.notEqual(user, userOf(other));
  for (const unknown of ["", "sk_live_1", "a.b.c", token({ exp: 1 }), token(null)])
    assert.equal(userOf(unknown), "");
});
