// Stands between the page and the gateway, and does what networks do.

import { once } from "node:events";
import { createServer, request } from "node:http";

export const FEED = "/api/v1/devhub/feed";

export class Relay {
  /**
   * `hold` keeps streams back, as one that waits for the whole answer; `silence` lets nothing more through of
   * what is under way, nor of anything that begins; `lost` knows of no feed; `late` lets of a stream only its
   * greeting through, until release().
   *
   * @type {"pass" | "hold" | "silence" | "lost" | "late"}
   */
  way = "pass";
  /** @type {(() => void)[]} */
  #late = [];
  /** @type {string[]} */
  #asked = [];
  #port = 0;
  #server;

  /** @param {string} target */
  constructor(target) {
    this.#server = createServer((incoming, outgoing) => {
      this.#asked.push(incoming.url ?? "");
      if (this.way === "lost" && incoming.url?.startsWith(FEED)) return outgoing.writeHead(404).end();
      const { method, headers } = incoming;
      const onward = request(new URL(incoming.url ?? "/", target), { method, headers }, (answer) => {
        const streams = String(answer.headers["content-type"]).startsWith("text/event-stream");
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
        const held = this.way === "hold" && streams;
        let greeting = this.way === "late" && streams ? "" : null;
        answer.on("data", (chunk) => {
          if (greeting !== null) {
            greeting += chunk;
            const end = greeting.indexOf("\n\n", greeting.indexOf("event: connected")) + 2;
            if (!greeting.includes("event: connected") || end < 2) return;
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
          if (!held && this.way !== "silence") outgoing.write(chunk);
        });
        answer.on("end", () => outgoing.end());
        answer.on("error", () => outgoing.destroy());
      });
      onward.on("error", () => outgoing.destroy());
      outgoing.on("close", () => onward.destroy());
      incoming.pipe(onward);
    });
  }

  /** @param {string} target */
  static async start(target) {
    const relay = new Relay(target);
    await relay.join();
    return relay;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** How often what begins so was asked for. @param {string} path */
  asked(path) {
    return this.#asked.filter((asked) => asked.startsWith(path)).length;
  }

  /** Lets through what was late. */
  release() {
    this.way = "pass";
    for (const go of this.#late.splice(0)) go();
  }

  /** Ends all connections, and takes no new ones. */
  async cut() {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async join() {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address && typeof address === "object") this.#port = address.port;
  }
}
