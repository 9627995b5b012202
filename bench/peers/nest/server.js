// A peer with a usual setup for the live logs of rooms: NestJS streams the lines of a room as Server-Sent
// Events, and ioredis holds one Redis connection per viewer, which subscribes to the channel
// `room:{id}:logs`. Writers publish the lines as JSON. Nothing is stored, and a viewer that is away misses
// the lines. The server runs as one process, started with `node server.js`, and logs no requests.
//
// As in gateway-feed, a viewer needs a JSON Web Token (HS256), the room must exist and belong to the viewer,
// the first event is `connected`, and each client gets a heartbeat every 30 s.
//
// Node has no decorators. So the decorators of NestJS are called as functions.

import "reflect-metadata";
import {
  Controller, ForbiddenException, Get, Inject, Module, NotFoundException, Param, Req, Sse,
  UnauthorizedException, UseGuards,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { JwtModule, JwtService } from "@nestjs/jwt";
import { Redis } from "ioredis";
import { Observable, interval, map, merge, of } from "rxjs";

const { HOST, JWT_SECRET, PORT, REDIS_PORT } = process.env;
const HEARTBEAT = 30_000;

const now = () => new Date().toISOString();

// The connections to Redis: one for all other commands, and one for each viewer.
class RedisService {
  #options = { host: "127.0.0.1", port: Number(REDIS_PORT) };
  #shared = new Redis(this.#options);

  owner(room) {
    return this.#shared.get(`room:${room}:owner`);
  }

  lines(room) {
    return new Observable((viewer) => {
      const redis = new Redis(this.#options);
      redis.on("message", (_channel, line) => viewer.next(JSON.parse(line)));
      redis.on("error", (error) => console.error(error.message));
      redis.subscribe(`room:${room}:logs`).catch((error) => viewer.error(error));
      return () => redis.disconnect();
    });
  }
}

class SseService {
  constructor(redis) {
    this.redis = redis;
  }

  stream(room) {
    const event = (type) => (data) => ({ type, data });
    return merge(
      of({ roomId: room, timestamp: now() }).pipe(map(event("connected"))),
      this.redis.lines(room).pipe(map(event("log"))),
      interval(HEARTBEAT).pipe(map(() => event("heartbeat")({ timestamp: now() }))),
    );
  }
}
Inject(RedisService)(SseService, undefined, 0);

class JwtGuard {
  constructor(jwt) {
    this.jwt = jwt;
  }

  async canActivate(context) {
    const request = context.switchToHttp().getRequest();
    const [scheme, bearer] = request.headers.authorization?.split(" ") ?? [];
    const token = scheme === "Bearer" ? bearer : request.query.token;
    try {
      request.user = await this.jwt.verifyAsync(token);
      return true;
    } catch {
      throw new UnauthorizedException();
    }
  }
}
Inject(JwtService)(JwtGuard, undefined, 0);

class RoomsController {
  constructor(redis, sse) {
    this.redis = redis;
    this.sse = sse;
  }

  async logs(room, request) {
    const owner = await this.redis.owner(room);
    if (owner === null) throw new NotFoundException();
    if (owner !== request.user.sub) throw new ForbiddenException();
    return this.sse.stream(room);
  }

  ready() {
    return { ok: true };
  }
}

const method = (name) => [
  RoomsController.prototype, name, Object.getOwnPropertyDescriptor(RoomsController.prototype, name),
];
Inject(RedisService)(RoomsController, undefined, 0);
Inject(SseService)(RoomsController, undefined, 1);
Param("id")(RoomsController.prototype, "logs", 0);
Req()(RoomsController.prototype, "logs", 1);
Sse("api/v1/rooms/:id/logs")(...method("logs"));
UseGuards(JwtGuard)(...method("logs"));
Get("ready")(...method("ready"));
Controller()(RoomsController);

class RoomsModule {}
Module({
  imports: [JwtModule.register({ secret: JWT_SECRET, verifyOptions: { algorithms: ["HS256"] } })],
  controllers: [RoomsController],
  providers: [RedisService, SseService, JwtGuard],
})(RoomsModule);

const app = await NestFactory.create(RoomsModule, { logger: ["error", "warn"] });
app.getHttpAdapter().getInstance().disable("x-powered-by");
await app.listen(Number(PORT), HOST);
process.on("SIGTERM", () => process.exit(0));
