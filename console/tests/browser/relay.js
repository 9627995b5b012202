// Simulates network failures with a relay between the page and the gateway. With a prefix, the relay is a
// reverse proxy that serves the gateway below a path.

import { once } from "node:events";
import { createServer, request } from "node:http";

export const FEED = "/api/v1/devhub/feed";
/** Marks the first message of a stream. */
const CONNECTED = `"type":"connected"`;

export class Relay {
  /**
   * - `pass`: forwards everything
   * - `hold`: holds the body of streams back, like a proxy that waits for the whole response
   * - `silence`: forwards no more body bytes, neither of open responses nor of new responses
   * - `lost`: responds with 404 to requests for the feed
   * - `late`: forwards only the `connected` message of a stream, until release() is called
   *
   * @type {"pass" | "hold" | "silence" | "lost" | "late"}
   */
  mode = "pass";
  /** @type {(() => void)[]} */
  #late = [];
  /** @type {string[]} */
  #requests = [];
  /** The requests that have not ended. @type {Set<{ address: string }>} */
  #open = new Set();
  #port = 0;
  #prefix;
  #server;
  /** The URL of the gateway. */
  target;

  /** @param {string} target @param {string} prefix */
  constructor(target, prefix) {
    this.target = target;
    this.#prefix = prefix;
    this.#server = createServer((incoming, outgoing) => {
      const asked = incoming.url ?? "";
      // Browsers ask with OPTIONS whether a page may send a request to another origin.
      if (incoming.method !== "OPTIONS") {
        this.#requests.push(asked);
        const one = { address: asked };
        this.#open.add(one);
        outgoing.on("close", () => this.#open.delete(one));
      }
      if (!asked.startsWith(`${prefix}/`)) return outgoing.writeHead(404).end();
      if (this.mode === "lost" && incoming.url?.startsWith(FEED)) return outgoing.writeHead(404).end();
      const { method, headers } = incoming;
      const target = new URL(asked.slice(prefix.length), this.target);
      const onward = request(target, { method, headers }, (answer) => {
        const streams = String(answer.headers["content-type"]).startsWith("text/event-stream");
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
        const held = this.mode === "hold" && streams;
        let greeting = this.mode === "late" && streams ? "" : null;
        answer.on("data", (chunk) => {
          if (greeting !== null) {
            greeting += chunk;
            const end = greeting.indexOf("\n\n", greeting.indexOf(CONNECTED)) + 2;
            if (!greeting.includes(CONNECTED) || end < 2) return;
            outgoing.write(greeting.slice(0, end));
            const rest = greeting.slice(end);
            greeting = null;
            answer.pause();
            this.#late.push(() => {
              outgoing.write(rest);
              answer.resume();
            });
            return;
          }
          if (!held && this.mode !== "silence") outgoing.write(chunk);
        });
        answer.on("end", () => outgoing.end());
        answer.on("error", () => outgoing.destroy());
      });
      onward.on("error", () => outgoing.destroy());
      outgoing.on("close", () => onward.destroy());
      incoming.pipe(onward);
    });
  }

  /** @param {string} target @param {string} [prefix] The path below which the gateway is served. */
  static async start(target, prefix = "") {
    const relay = new Relay(target, prefix);
    await relay.join();
    return relay;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}${this.#prefix}`;
  }

  /** The number of requests whose address starts with this path. @param {string} path */
  requests(path) {
    return this.#requests.filter((address) => address.startsWith(path)).length;
  }

  /** The number of open requests whose address starts with this path. @param {string} path */
  open(path) {
    return [...this.#open].filter(({ address }) => address.startsWith(path)).length;
  }

  /** Forwards the streams that the mode `late` has stopped. */
  release() {
    this.mode = "pass";
    for (const go of this.#late.splice(0)) go();
  }

  /** Closes all connections and accepts no new ones. */
  async cut() {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Accepts connections. After cut(), the port is the same as before. */
  async join() {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address && typeof address === "object") this.#port = address.port;
  }
}
