// Mints the tokens of jose for make.py: reads the claims and the keys from standard input.

import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

// `npm install` may have put the package into the folder where the script runs.
const require = createRequire(`${process.cwd()}/`);
const { SignJWT, importPKCS8 } = await import(require.resolve("jose"));
const { version } = require("jose/package.json");

const { claims, jobs } = JSON.parse(await text(process.stdin));
const tokens = {};
for (const { alg, secret, private: pem } of jobs) {
  const key = secret ? Buffer.from(secret, "base64url") : await importPKCS8(pem, alg);
  tokens[alg] = await new SignJWT(claims).setProtectedHeader({ alg, typ: "JWT", kid: "key-1" }).sign(key);
}
process.stdout.write(JSON.stringify({ version, tokens }));
