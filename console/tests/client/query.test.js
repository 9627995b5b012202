import assert from "node:assert/strict";
import { test } from "node:test";

import { listAgents, OasisError, queryEvents } from "../../client/index.js";
import { ids, Server, ticker } from "./server.js";

const JSON_TYPE = { "Content-Type": "application/json" };
const row = (id, more = {}) => ({
  ...ticker(id, more),
  id,
  recorded_at: "2026-01-02T03:04:05.000Z",
  channel: "devhub",
  meta: { actor: "a" },
});

const options = { timeout: 60_000 };

test(
  "a query sends filters, bounds and the token, and reads the next page from the Link header",
  options,
  async (t) => {
    const server = await Server.start(t);
    const link = '<?vtid=ALL&limit=2&before=8>; rel="next"';
    const asking = queryEvents({
      url: `${server.url}/`,
      token: "secret",
      filters: { vtid: "ALL", status: ["failure", "cancelled"], kind: [], layer: "" },
      since: "2026-01-01T00:00:00+02:00",
      before: 10,
      limit: 2,
    });
    const asked = await server.refuse(200, { ...JSON_TYPE, Link: link }, JSON.stringify([row(9), row(8)]));
    assert.equal(asked.path, "/api/v1/oasis/events");
    assert.equal(asked.request.headers.authorization, "Bearer secret");
    assert.deepEqual(Object.fromEntries(asked.query), {
      vtid: "ALL",
      status: "failure,cancelled",
      since: "2026-01-01T00:00:00+02:00",
      before: "10",
      limit: "2",
    });
    const { events, next } = await asking;
    assert.deepEqual(ids(events), [9, 8]);
    assert.deepEqual(events[0], row(9));
    assert.equal(next, 8);
  },
);

test("the `next` of the last page is null, and unsafe links become null", options, async (t) => {
  const server = await Server.start(t);
  const asking = queryEvents({ url: server.url });
  const rows = [
    row(3, { link: "javascript:alert(1)" }),
    row(2, { link: "https://example.com/x" }),
    { ...row(1), title: 7, meta: null },
    "nonsense",
    {},
  ];
  await server.refuse(200, JSON_TYPE, JSON.stringify(rows));
  const { events, next } = await asking;
  assert.equal(next, null);
  assert.deepEqual(
    events.map(({ link }) => link),
    [null, "https://example.com/x", null],
  );
  assert.deepEqual([events[2].title, events[2].meta], ["", {}]);
});

test("error responses become OasisErrors with the server's texts", options, async (t) => {
  const server = await Server.start(t);
  const failing = async (status, body, headers = JSON_TYPE) => {
    const asking = queryEvents({ url: server.url });
    asking.catch(() => {});
    await server.refuse(status, headers, body);
    return asking.then(
      () => assert.fail("the query reported no error"),
      (error) => error,
    );
  };
  const sent = { code: "bad_parameter", message: "parameter `limit`: …", hint: "from 1 to 1000" };
  const error = await failing(400, JSON.stringify({ error: sent }));
  assert.ok(error instanceof OasisError);
  assert.deepEqual({ code: error.code, message: error.message, hint: error.hint }, sent);
  assert.equal(error.status, 400);
  const page = await failing(502, "<html>Bad gateway</html>", { "Retry-After": "7" });
  assert.deepEqual([page.code, page.hint, page.retryAfter], ["http_502", null, 7_000]);
  const asking = queryEvents({ url: server.url }).catch((error) => error);
  const { response } = await server.next();
  response.writeHead(500).write("x".repeat(300_000));
  const endless = await asking;
  assert.equal(endless.code, "http_500");
  const dated = await failing(503, "", { "Retry-After": new Date(Date.now() + 60_000).toUTCString() });
  assert.ok(dated.retryAfter > 50_000 && dated.retryAfter <= 60_000);
  assert.equal((await failing(503, "", { "Retry-After": "soon" })).retryAfter, null);
  assert.equal((await failing(200, "<html>")).code, "bad_answer");
  assert.equal((await failing(200, "{}")).code, "bad_answer");
  const gone = await queryEvents({ url: "http://127.0.0.1:1" }).catch((error) => error);
  assert.deepEqual([gone.code, gone.status], ["network", 0]);
});

test("an aborted query rejects with AbortError", options, async (t) => {
  const server = await Server.start(t);
  const controller = new AbortController();
  const asking = queryEvents({ url: server.url, signal: controller.signal });
  asking.catch(() => {});
  await server.next();
  controller.abort();
  await assert.rejects(asking, { name: "AbortError" });
});

test("listAgents sends its filters and returns an array", options, async (t) => {
  const server = await Server.start(t);
  const asking = listAgents({ url: server.url, token: "secret", filters: { state: ["late", "lost"] } });
  const asked = await server.refuse(200, JSON_TYPE, JSON.stringify([{ agent: "planner" }]));
  assert.equal(asked.path, "/api/v1/oasis/agents");
  assert.deepEqual([...asked.query], [["state", "late,lost"]]);
  assert.equal(asked.request.headers.authorization, "Bearer secret");
  assert.deepEqual(await asking, [{ agent: "planner" }]);
});

test("outside a browser the url is required, and an invalid token is refused", async () => {
  await assert.rejects(queryEvents(), TypeError);
  await assert.rejects(queryEvents({ url: "http://127.0.0.1:1", token: "a\nb" }), TypeError);
});
