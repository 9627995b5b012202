// A peer with the setup that users have today: Express 5 receives GitHub's deliveries, and pg stores each
// delivery with one INSERT. The server queries the database every 2 seconds for each client of the feed. It
// runs as one process, started with `node server.js`, and logs no requests.
//
// For the events that the bench sends (workflow_run), the server does the same work as webhook-ingest. It
// limits the size, checks the signature over the raw bytes, parses the JSON, finds the VTID and the state,
// stores one row, and answers 200 after the row is committed.

import { createHmac, timingSafeEqual } from "node:crypto";
import express from "express";
import pg from "pg";

const { DATABASE_URL, GITHUB_WEBHOOK_SECRET, HOST, PORT } = process.env;
const POLL = 2_000;

// Keeps a timestamptz as the text that PostgreSQL sends, because the feed sends the same text to its clients.
pg.types.setTypeParser(1184, (text) => text);
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

// The statements have names, so each connection prepares each statement only once.
const insert = {
  name: "insert",
  text: `INSERT INTO bench_express
           (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (dedup_key) DO NOTHING RETURNING id`,
};
const since = {
  name: "since",
  text: `SELECT id, ts, vtid, layer, module, source, kind, status, title, ref, link
         FROM bench_express WHERE id > $1 ORDER BY id LIMIT 200`,
};
const newest = { name: "newest", text: "SELECT coalesce(max(id), 0) AS id FROM bench_express" };

function isSigned(header, body) {
  if (typeof header !== "string" || !/^sha256=[0-9a-f]{64}$/i.test(header)) return false;
  const expected = createHmac("sha256", GITHUB_WEBHOOK_SECRET).update(body).digest();
  return timingSafeEqual(Buffer.from(header.slice(7), "hex"), expected);
}

const VTID =
  /(?<![\p{L}\p{N}])(?:(?:DEV|STG|PROD|VTID)-([A-Z][A-Z0-9]{1,15})-\d{4,6}|VTID-\d{4,6})(?![\p{L}\p{N}])/iu;

function vtidIn(texts) {
  for (const text of texts) {
    const found = text && VTID.exec(text);
    if (found) return { vtid: found[0].toUpperCase(), layer: found[1]?.toUpperCase() ?? "UNSET" };
  }
  return { vtid: "UNSET", layer: "UNSET" };
}

function stateOf(run) {
  if (run.status !== "completed") return run.status === "in_progress" ? "in_progress" : "queued";
  if (run.conclusion === "success") return "success";
  return run.conclusion === "cancelled" ? "cancelled" : "failure";
}

function rowOf(event, delivery, payload) {
  const run = payload.workflow_run;
  const { vtid, layer } = vtidIn([run.display_title, run.head_branch, run.head_commit?.message]);
  const dashed = event.replaceAll("_", "-");
  const meta = {
    name: run.name,
    title: run.display_title ?? run.head_commit?.message?.split("\n")[0],
    branch: run.head_branch,
    sha: run.head_sha,
    run_id: run.id,
    run_number: run.run_number,
    attempt: run.run_attempt,
    number: run.pull_requests?.[0]?.number,
    status: run.status,
    conclusion: run.conclusion,
    repository: payload.repository?.full_name,
    action: payload.action,
    actor: (run.triggering_actor ?? run.actor ?? payload.sender)?.login,
  };
  return {
    vtid,
    title: `${layer}-CORE-${dashed.toUpperCase()}`,
    values: [
      run.updated_at, vtid, layer, "CORE", "github.actions", event, stateOf(run),
      `${layer}-CORE-${dashed.toUpperCase()}`, `vt/${vtid}-${dashed}`, run.html_url, "devhub",
      JSON.stringify(meta), `github:${delivery}`,
    ],
  };
}

const app = express();
app.disable("x-powered-by");
app.disable("etag");

const body = express.raw({ type: "application/json", limit: "25mb" });
app.post("/webhooks/github", body, async (request, response) => {
  if (!Buffer.isBuffer(request.body)) return response.status(415).json({ ok: false });
  const signature = request.get("x-hub-signature-256");
  if (!isSigned(signature, request.body)) return response.status(401).json({ ok: false });
  const event = request.get("x-github-event");
  if (event !== "workflow_run") return response.status(202).json({ ok: true, ignored: event });
  let payload;
  try {
    payload = JSON.parse(request.body);
  } catch {
    return response.status(400).json({ ok: false });
  }
  const { vtid, title, values } = rowOf(event, request.get("x-github-delivery"), payload);
  const { rows } = await pool.query({ ...insert, values });
  if (rows.length === 0) return response.json({ ok: true, duplicate: true });
  response.json({ ok: true, id: Number(rows[0].id), vtid, title });
});

app.get("/api/v1/devhub/feed", async (request, response) => {
  response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform" });
  let last = (await pool.query(newest)).rows[0].id;
  response.write('data: {"type":"connected"}\n\n');
  let isPolling = false;
  const timer = setInterval(async () => {
    if (isPolling) return;
    isPolling = true;
    try {
      for (const { id, ...event } of (await pool.query({ ...since, values: [last] })).rows) {
        response.write(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`);
        last = id;
      }
    } catch (error) {
      console.error(error.message);
    }
    isPolling = false;
  }, POLL);
  response.on("close", () => clearInterval(timer));
});

app.get("/ready", async (request, response) => {
  await pool.query("SELECT 1");
  response.json({ ok: true });
});

app.listen(Number(PORT), HOST);
process.on("SIGTERM", () => process.exit(0));
