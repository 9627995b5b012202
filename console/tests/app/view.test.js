import assert from "node:assert/strict";
import { test } from "node:test";
import { FACETS, filterCount, formatView, home, matcher, parseView, serverFilters } from "../../app/view.js";

/** @param {string} address */
const parse = (address) => {
  const url = new URL(address, "http://x");
  return parseView(url.pathname, url.search);
};

const EVENT = {
  ts: "2026-01-02T03:04:05.678Z",
  vtid: "DEV-CICDL-0031",
  layer: "CICDL",
  module: "CORE",
  source: "github.actions",
  kind: "workflow_run",
  status: /** @type {const} */ ("success"),
  title: "CICDL-CORE-WORKFLOW-RUN",
  ref: "vt/DEV-CICDL-0031-workflow-run",
  link: "https://github.com/acme/gateway/actions/runs/1",
};

test("an address in its shortest form stays the same when it is parsed and formatted", () => {
  for (const address of [
    "/",
    "/agents",
    "/vtid/DEV-CICDL-0031",
    "/?q=a+b&status=failure,queued&hide=green&mine=1&heartbeats=1&event=7",
    "/?source=gcp.deploy&vtid=DEV-CICDL-0031,UNSET",
    "/vtid/DEV-CICDL-0031?event=12",
    "/rooms",
    "/rooms/build-1.a_b",
    "/rooms/build-1?q=a+b&level=warn,error&agent=code,deploy",
    "/casts",
    "/casts/site-1.a_b",
    "/audit",
    "/audit?user=ann&cast=site-1&action=cast.sse_connection_failed",
  ]) {
    assert.equal(formatView(parse(address)), address);
  }
});

test("the view of any link stays the same when it is formatted and parsed", () => {
  let seed = 7;
  const random = (/** @type {number} */ n) => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed % n;
  };
  const texts = [
    "",
    "a",
    "%",
    "&",
    "=",
    "<script>",
    ",",
    ",,",
    "\u202e",
    " ",
    "1",
    "green",
    "x".repeat(500),
    "9".repeat(40),
  ];
  for (let i = 0; i < 500; i++) {
    const query = new URLSearchParams();
    for (const name of [
      "q",
      "hide",
      "mine",
      "event",
      "level",
      "agent",
      "user",
      "cast",
      "unknown",
      ...FACETS,
    ]) {
      if (random(2)) query.append(name, texts[random(texts.length)] ?? "");
    }
    const paths = ["/", "/rooms", "/rooms/build-1", "/agents", "/casts/site-1", "/audit", "/unknown/x"];
    const view = parseView(paths[random(paths.length)] ?? "", `?${query}`);
    assert.deepEqual(parse(formatView(view)), view);
  }
});

test("an event must match the facets, the text, hide-green and my-tasks", () => {
  const shows = (/** @type {string} */ search, starred = ["DEV-CICDL-0031"]) =>
    matcher(parse(`/${search}`), starred)(EVENT);
  assert.ok(shows(""));
  assert.ok(shows("?status=failure,success&kind=workflow_run"));
  assert.ok(!shows("?status=failure"));
  assert.ok(!shows("?hide=green"));
  assert.ok(shows("?q=GATEWAY+core"), "each word may match any field, in any case");
  assert.ok(!shows("?q=gateway+nothing"));
  assert.ok(shows("?mine=1"));
  assert.ok(!shows("?mine=1", []));
  const anyStatus = matcher(parse("/?status=failure&hide=green"), [], { anyStatus: true });
  assert.ok(anyStatus(EVENT), "with anyStatus, runs with any status match");
});

test("a query sends only filters that the gateway knows, and my-tasks without a star matches nothing", () => {
  assert.deepEqual(serverFilters(parse("/?q=x&hide=green&status=failure"), []), { status: ["failure"] });
  assert.deepEqual(serverFilters(parse("/?mine=1"), ["A-0001", "B-0002"]), { vtid: ["A-0001", "B-0002"] });
  assert.deepEqual(serverFilters(parse("/?mine=1&vtid=B-0002"), ["A-0001", "B-0002"]), { vtid: ["B-0002"] });
  assert.equal(serverFilters(parse("/?mine=1"), []).vtid?.length, 1);
  assert.equal(filterCount(home()), 0);
});

test("filter values get the gateway's case, and too many starred tasks are not sent to the gateway", () => {
  const { facets } = parseView(
    "/",
    "?kind=Deploy&source=GCP.deploy&status=FAILURE&layer=cicdl&module=api&vtid=dev-a-0001",
  );
  assert.deepEqual(facets, {
    status: ["failure"],
    source: ["gcp.deploy"],
    kind: ["deploy"],
    module: ["API"],
    layer: ["CICDL"],
    vtid: ["DEV-A-0001"],
  });
  const mine = parseView("/", "?mine=1");
  const stars = Array.from({ length: 51 }, (_, n) => `DEV-A-${String(n).padStart(4, "0")}`);
  assert.deepEqual(serverFilters(mine, stars), {});
  assert.deepEqual(serverFilters(mine, stars.slice(1)), { vtid: stars.slice(1) });
});

test("the text filter also matches the name of an event's run", () => {
  const view = parseView("/", "?q=retry");
  const event = /** @type {any} */ ({ vtid: "DEV-A-0001", title: "A-CORE-PUSH" });
  assert.equal(matcher(view, [])(event), false);
  assert.equal(matcher(view, [], { nameOf: () => "Answer 429 with Retry-After" })(event), true);
});

test("the address of a room has its id, and only levels and agents that can exist", () => {
  const view = parse("/rooms/build-1?level=error,loud,error&agent=code,Code,%3Cb%3E,code");
  assert.deepEqual([view.page, view.id, view.levels, view.agents], ["room", "build-1", ["error"], ["code"]]);
  assert.deepEqual([parse("/rooms/").page, parse("/rooms?level=error").levels], ["rooms", []]);
  assert.equal(parse("/rooms/a%20b").id, "a b", "the page explains that this room cannot exist");
  assert.equal(parseView("/rooms/%", "").id, "%");
});

test("a path names its page, and a path that names no page shows the home page", () => {
  for (const [path, page, id] of [
    ["/", "home", ""],
    ["/nothing", "home", ""],
    ["/nothing/else", "home", ""],
    ["/vtid/dev-a-0001", "task", "DEV-A-0001"],
    ["/vtid/", "home", ""],
    ["/agents/", "agents", ""],
    ["/agents/x", "home", ""],
    ["/casts", "casts", ""],
    ["/casts/", "casts", ""],
    ["/casts/a%20b", "cast", "a b"],
    ["/audit", "audit", ""],
  ]) {
    const view = parseView(path ?? "", "?user=ann");
    assert.deepEqual([view.page, view.id], [page, id], path);
    assert.equal(view.user, page === "audit" ? "ann" : "", "only the audit log has this filter");
  }
});
