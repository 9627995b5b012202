// Runs the examples in the help of each program.
//
// An example is run as it stands in the help, with its comment. `EXAMPLES` has the examples that do not end
// by themselves, and the examples that cannot run here, each with the reason.

import assert from "node:assert/strict";
import { Running, run } from "./sandbox.mjs";

const PROGRAMS = ["oasis", "gateway-feed", "webhook-ingest", "deploy-watcher", "heartbeat-agent"];

/** Runs an example until it prints `expected`, and then presses Ctrl-C. */
const prints = (expected) => async (example) => {
  const running = new Running(example);
  await running.until(expected);
  await running.interrupt();
};
/** Skips an example. */
const because = (reason) => reason;

/** Runs an example in a repository with one workflow. Findings are no failure. */
const inRepository = (example) =>
  run(
    `mkdir -p canon/.github/workflows; cd canon; git init --quiet
    [ -e .github/workflows/CICDL-CORE-CHECK.yml ] || printf 'name: CI\\non: push\\n' >.github/workflows/ci.yml
    ${example} || [ $? = 1 ]`,
  );

const KEYS = "it needs the database and the id of a key; check.mjs runs these commands";
const ROOMS = "it needs a room of this name; tests of the command line run these commands";

/**
 * The examples that are not simply run until they end with exit code 0: a text that the example contains, and
 * what to do. The first matching entry applies.
 */
const EXAMPLES = [
  ["oasis canon", inRepository],
  ["oasis audit", because("it needs the database; check.mjs runs this command")],
  ["oasis keys", because(KEYS)],
  ["oasis logs", because(ROOMS)],
  ["oasis rooms", because(ROOMS)],
  ["oasis emit-log", because(ROOMS)],
  ["DATABASE_URL=postgres://localhost/oasis oasis up", because("it needs a PostgreSQL at this address")],
  ["oasis tail --json", run],
  ["oasis tail --status success", run],
  ["oasis tail", prints("connected to")],
  ["oasis watch", prints("DEV-CICDL-0031")],
  ["oasis demo --count", run],
  ["oasis demo", prints("stored ")],
];

/** @returns {Promise<string[]>} the names of the commands of `oasis` */
async function commandsOf(program) {
  const help = await run(`${program} --help`);
  const list = /\nCommands:\n([^]*?)\n\n/.exec(help)?.[1] ?? "";
  return [...list.matchAll(/^ {2}(\w[\w-]*)/gm)].map(([, name]) => name).filter((name) => name !== "help");
}

/** The examples in a help text. An example that ends with a backslash continues on the next line. */
function examplesIn(help) {
  const block = /(?:^|\n)Examples:\n([^]*?)(?:\n\n|$)/.exec(help)?.[1] ?? "";
  const lines = block.replaceAll("\\\n", "\\\f").split("\n");
  return lines.filter(Boolean).map((line) => line.trim().replaceAll("\f", "\n"));
}

/** The commands, and the examples in the help of each. */
async function allExamples() {
  const examples = [];
  for (const program of PROGRAMS) {
    const commands = [program, ...(await commandsOf(program)).map((name) => `${program} ${name}`)];
    for (const command of commands)
      for (const example of examplesIn(await run(`${command} --help`))) examples.push({ command, example });
  }
  return examples;
}

/**
 * Runs the examples of some commands.
 * @param {(command: string) => boolean} wanted
 * @param {(example: string) => Promise<unknown>} runner what to do with an example without an entry
 */
async function check(wanted, runner) {
  const examples = (await allExamples()).filter(({ command }) => wanted(command));
  assert.notEqual(examples.length, 0);
  const notRun = [];
  for (const { example } of examples) {
    const action = EXAMPLES.find(([text]) => example.includes(text))?.[1];
    if (typeof action === "string") notRun.push(`help: ${example}: ${action}`);
    else await (action ?? runner)(example);
  }
  return { ran: examples.length - notRun.length, all: examples.length, notRun };
}

/** Runs the examples against the running stack, except those of `oasis up`. */
export const checkHelp = () => check((command) => command !== "oasis up", run);

/** Runs the examples of `oasis up`. Needs free ports. */
export const checkHelpOfUp = () => check((command) => command === "oasis up", prints("OASIS DevHub is up"));
