// A peer with a usual setup for events with a filter per client: better-sse keeps all sessions in one
// channel, and each event is broadcast with a filter that is called with each session. One ioredis connection
// subscribes to the Redis channel `resources`. A message is a JSON array of events. With one POST for each
// array instead of Redis, the server needs a quarter more processor time. Nothing is stored, and a client
// that is away misses the events. The server runs as one process, started with `node server.js`, uses no
// framework, and logs no requests.
//
// As in gateway-feed, a client needs a JSON Web Token (HS256), the first event is `connected`, and each
// client gets a sign of life every 15 s. The filter looks at `workload_id` only. So it costs less than a
// filter with all fields that gateway-feed offers.

import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";
import { Redis } from "ioredis";
import jwt from "jsonwebtoken";

const { HOST, JWT_SECRET, PORT, REDIS_PORT } = process.env;
const KEEP_ALIVE = 15_000;

const channel = createChannel();
let id = 0;

const redis = new Redis({ host: "127.0.0.1", port: Number(REDIS_PORT) });
redis.on("error", (error) => console.error(error.message));
redis.on("message", (_channel, message) => {
  for (const event of JSON.parse(message)) {
    const { event_type, workload_id } = event;
    id += 1;
    channel.broadcast(event, event_type, {
      eventId: String(id),
      filter: (session) => session.state.workloads.has(workload_id),
    });
  }
});
await redis.subscribe("resources");

async function stream(request, response, query) {
  try {
    jwt.verify(query.get("token"), JWT_SECRET, { algorithms: ["HS256"] });
  } catch {
    response.writeHead(401).end();
    return;
  }
  const workloads = new Set(query.get("workload_id").split(","));
  const session = await createSession(request, response, { keepAlive: KEEP_ALIVE, state: { workloads } });
  channel.register(session);
  session.push({ event_type: "connected", timestamp: Date.now() / 1_000 }, "connected");
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, `http://${HOST}`);
  switch (pathname) {
    case "/api/v1/events/stream":
      await stream(request, response, searchParams);
      break;
    case "/ready":
      response.writeHead(200, { "Content-Length": 2, Connection: "close" }).end("ok");
      break;
    default:
      response.writeHead(404).end();
  }
});
server.listen(Number(PORT), HOST);
process.on("SIGTERM", () => process.exit(0));
