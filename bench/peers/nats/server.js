// A peer with a usual setup for the status of jobs: a process that receives GitHub's webhooks updates the row
// of the run's cast in PostgreSQL, and then publishes the change to NATS. A process that serves Server-Sent
// Events has one subscription per client. ROLE decides which of the two this process is. NATS keeps nothing,
// so a client that is away misses the events. Without DATABASE_URL, no row is updated. The server uses no
// framework, and logs no requests.
//
// As in webhook-ingest, the signature over the raw body is verified. As in gateway-feed, a client needs a
// JSON Web Token (HS256).

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import jwt from "jsonwebtoken";
import { connect, JSONCodec } from "nats";
import pg from "pg";

const { DATABASE_URL, GITHUB_WEBHOOK_SECRET, HOST, JWT_SECRET, NATS_PORT, PORT, ROLE } = process.env;

const codec = JSONCodec();
const nats = await connect({ servers: `127.0.0.1:${NATS_PORT}`, maxReconnectAttempts: -1 });
const database = DATABASE_URL ? new pg.Pool({ connectionString: DATABASE_URL }) : null;
let id = 0;

// The statement has a name, so PostgreSQL parses it once.
const UPDATE = {
  name: "update",
  text: "UPDATE casts SET status = $2, started_at = $3 WHERE run_id = $1 RETURNING id",
};

/** Stores the status of the run's cast, and returns the cast's id. Null if the run has no cast. */
async function stored(run, status) {
  if (!database) return String(run.id);
  const { rows } = await database.query({ ...UPDATE, values: [run.id, status, run.run_started_at] });
  return rows[0]?.id ?? null;
}

function isSigned(body, signature) {
  const expected = `sha256=${createHmac("sha256", GITHUB_WEBHOOK_SECRET).update(body).digest("hex")}`;
  const [ours, theirs] = [Buffer.from(expected), Buffer.from(signature ?? "")];
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
}

async function receive(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isSigned(body, request.headers["x-hub-signature-256"])) {
    response.writeHead(401).end();
    return;
  }
  const { workflow_run: run } = JSON.parse(body);
  const status = run.status === "in_progress" ? "running" : run.conclusion;
  const castId = await stored(run, status);
  if (castId === null) {
    response.writeHead(404).end();
    return;
  }
  id += 1;
  const event = { id, castId, status, startedAt: run.run_started_at };
  nats.publish(`casts.${castId}`, codec.encode({ ...event, timestamp: new Date().toISOString() }));
  const answer = JSON.stringify({ id });
  response.writeHead(200, { "Content-Length": Buffer.byteLength(answer) }).end(answer);
}

function stream(request, response, query) {
  try {
    jwt.verify(query.get("token"), JWT_SECRET, { algorithms: ["HS256"] });
  } catch {
    response.writeHead(401).end();
    return;
  }
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.write(": connected\n\n");
  const subscription = nats.subscribe("casts.>", {
    callback: (_error, message) => {
      const event = codec.decode(message.data);
      response.write(`id: ${event.id}\nevent: status\ndata: ${JSON.stringify(event)}\n\n`);
    },
  });
  request.on("close", () => subscription.unsubscribe());
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, `http://${HOST}`);
  if (pathname === "/ready") response.writeHead(200, { "Content-Length": 2, Connection: "close" }).end("ok");
  else if (ROLE === "webhooks" && pathname === "/webhooks/github") void receive(request, response);
  else if (ROLE === "events" && pathname === "/api/casts/events") stream(request, response, searchParams);
  else response.writeHead(404).end();
});
server.listen(Number(PORT), HOST);
process.on("SIGTERM", () => process.exit(0));
