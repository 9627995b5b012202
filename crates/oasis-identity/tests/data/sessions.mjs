// Makes sessions.json: session cookies as Auth.js (next-auth 5) sets them. See README.md.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "package.json"));
const manifest = require("next-auth/package.json");
const { encode } = require("next-auth/jwt");
// The store that splits long cookies is not a public part of the package.
const core = dirname(createRequire(require.resolve("next-auth/package.json")).resolve("@auth/core"));
const { SessionStore } = await import(pathToFileURL(join(core, "lib/utils/cookie.js")).href);

// The sessions are issued at this time.
const NOW = 1_750_000_000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length > 0 ? args : [NOW * 1_000]));
  }
  static now() {
    return NOW * 1_000;
  }
};

const SECRET = "only-for-tests-only-for-tests-only-for-tests";
const OLD_SECRET = "older-for-tests-older-for-tests-older-for-tests";
const debug = () => {};

async function session(name, cookie, secret, token, maxAge = 3_600) {
  const value = await encode({ token, secret, salt: cookie, maxAge });
  const store = new SessionStore({ name: cookie, options: {} }, {}, { debug });
  const cookies = store.chunk(value, {}).map((chunk) => `${chunk.name}=${chunk.value}`);
  return { name: `next-auth ${manifest.version} ${name}`, secret, cookies };
}

const user = { sub: "alice", name: "Alice", email: "alice@example.com" };
const sessions = [
  await session("plain", "authjs.session-token", SECRET, user),
  await session("secure", "__Secure-authjs.session-token", SECRET, user),
  await session("older secret", "authjs.session-token", OLD_SECRET, user),
  await session("chunks", "authjs.session-token", SECRET, { ...user, picture: "x".repeat(9_000) }),
  await session("own name", "team.session", SECRET, { ...user, "oasis.admin": true }),
  // For tests of a gateway, whose clock is the real one.
  await session("hundred years", "authjs.session-token", SECRET, user, 100 * 365 * 86_400),
  await session("without sub", "authjs.session-token", SECRET, { name: "Alice" }),
];
writeFileSync(new URL("sessions.json", import.meta.url), `${JSON.stringify(sessions, null, 2)}\n`);
