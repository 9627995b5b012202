// The sandbox in which the commands of the docs run, and the commands that run there.
//
// Three things differ from a reader's terminal: the folder is temporary, `cargo oasis` and `cargo run` start
// programs that are already built, and `gcloud` and `docker` only record their commands.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const REPO = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
export const SANDBOX = fs.mkdtempSync(path.join(os.tmpdir(), "oasis-docs-"));
/** How long a command may take to end or to print the expected text, in milliseconds. */
const PATIENCE = 60_000;

const PROGRAMS = `${process.env.CARGO_TARGET_DIR ?? `${REPO}/target`}/debug`;
const ENV = {
  ...process.env,
  PATH: [`${REPO}/.ci/docs/bin`, `${SANDBOX}/bin`, PROGRAMS, process.env.PATH].join(":"),
  REPO,
  PROGRAMS,
  GCLOUD_STATE: `${SANDBOX}/gcloud`,
  CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
  IAM_PAUSE: "0",
};
/** The settings of the programs. A reader's terminal has none of them. */
const SETTINGS = "DATABASE_URL GATEWAY_URL OASIS_URL INGEST_TOKEN READ_TOKEN GITHUB_WEBHOOK_SECRET";
for (const name of SETTINGS.split(" ")) delete ENV[name];

export function write(name, text) {
  fs.writeFileSync(path.join(SANDBOX, name), text, { mode: 0o755 });
}

/** Makes the files and folders that a clone of the repository and a reader's folder have. */
export function furnish() {
  fs.chmodSync(SANDBOX, 0o755); // PostgreSQL runs as another user and must be able to enter the folder.
  for (const name of ["examples", "deploy", "console", "services"])
    fs.symlinkSync(path.join(REPO, name), path.join(SANDBOX, name));
  for (const name of ["bin", "gcloud", "gcloud/secret", "gcloud/account", "gcloud/job"])
    fs.mkdirSync(path.join(SANDBOX, name));
  write("bin/python", '#!/bin/sh\nexec python3 "$@"\n');
}

/** A running command, in a new process group. */
export class Running {
  output = "";
  /** @param {string} script run by bash in the sandbox */
  constructor(script, { input = "", env = {} } = {}) {
    this.script = script;
    this.child = spawn("bash", ["-euo", "pipefail", "-c", script], {
      cwd: SANDBOX,
      env: { ...ENV, ...env },
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.setEncoding("utf8").on("data", (text) => {
        this.output += text;
        this.onOutput?.();
      });
    this.child.stdin.on("error", () => {}); // The command may end before it reads its input.
    this.child.stdin.end(input);
    this.ended = new Promise((resolve) => this.child.on("close", (code, signal) => resolve(code ?? signal)));
  }

  /** Waits until the output contains `text`. */
  async until(text, { from = 0 } = {}) {
    const found = new Promise((resolve) => {
      this.onOutput = () => this.output.includes(text, from) && resolve("found");
      this.onOutput();
    });
    const result = await Promise.race([found, this.ended, sleep(PATIENCE, "late", { ref: false })]);
    assert.equal(result, "found", `"${text}" was not printed (${result}):\n${this.script}\n${this.output}`);
  }

  /** Waits for the end, and expects exit code 0. */
  async finish() {
    const result = await Promise.race([this.ended, sleep(PATIENCE, "late", { ref: false })]);
    if (result === "late") process.kill(-this.child.pid, "SIGKILL");
    assert.equal(result, 0, `the command ended with ${result}:\n${this.script}\n${this.output}`);
    return this.output;
  }

  /** Presses Ctrl-C, and waits for the end. */
  async interrupt() {
    try {
      process.kill(-this.child.pid, "SIGINT");
    } catch {
      return; // The command has already ended.
    }
    const result = await Promise.race([this.ended, sleep(PATIENCE, "late", { ref: false })]);
    if (result === "late") process.kill(-this.child.pid, "SIGKILL");
    assert.notEqual(result, "late", `the command does not end after Ctrl-C:\n${this.script}\n${this.output}`);
  }
}

export const run = (script, options) => new Running(script, options).finish();

/** Waits until `condition` holds. `what` is the condition in words. */
export async function until(condition, what) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not within ${PATIENCE / 1000} s: ${what}`);
    await sleep(50);
  }
}
