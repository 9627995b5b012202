// Runs the commands of the docs, the examples of each `--help` and every program in examples/ against a real
// local stack.
//
// Each code block of the pages is run as written, unless `BLOCKS` has an entry for the block. A JSON block is
// the output of the shell block before it. `help.mjs` does the same for the examples of the help.
// `sandbox.mjs` says what differs from a reader's terminal.
//
// Needs the ports 8080 to 8082 and 9000 to 9002, curl, jq, psql and python3. Usage: node .ci/docs/check.mjs

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { checkHelp, checkHelpOfUp } from "./help.mjs";
import { furnish, REPO, Running, run, SANDBOX, until, write } from "./sandbox.mjs";

const GATEWAY = "http://localhost:8080";

// --- Code blocks -------------------------------------------------------------------------------------------

/**
 * The fenced code blocks of a page, without the fence's indentation.
 * @returns {{ page: string, line: number, lang: string, text: string }[]}
 */
function blocksOf(page) {
  const blocks = [];
  let open = null;
  for (const [index, line] of fs.readFileSync(path.join(REPO, page), "utf8").split("\n").entries()) {
    const fence = /^( *)```(\S*)/.exec(line);
    if (fence && open) {
      blocks.push(open);
      open = null;
    } else if (fence) {
      open = { page, line: index + 2, lang: fence[2], indent: fence[1].length, text: "" };
    } else if (open) {
      open.text += `${line.slice(open.indent)}\n`;
    }
  }
  return blocks;
}

const notRun = [];
/** Skips a block. `reason` says why the block is not run here, or what checks it instead. */
const because = (reason) => (block) => {
  notRun.push(`${block.page}:${block.line}: ${reason}`);
};
/** Runs a command until it prints `expected`, and then presses Ctrl-C. */
const prints = (expected) => async (block) => {
  const running = new Running(block.text);
  await running.until(expected);
  await running.interrupt();
};

let stack;
let feed;
/** The command that follows a room or the resource events. */
let follower;
/** The output of the last shell block. */
let printed = "";

/** Runs an agent until the gateway lists it as `name`, and then presses Ctrl-C. */
const listsTheAgent =
  (name) =>
  async ({ text }) => {
    const agent = new Running(text);
    const listed = async () => {
      const agents = await (await fetch(`${GATEWAY}/api/v1/oasis/agents?agent=${name}&state=idle`)).json();
      return agents.length > 0;
    };
    await until(listed, `the gateway lists the agent ${name}`);
    await agent.interrupt();
  };

/** Starts the stack and then the feed. The README tells the reader to do this in two terminals. */
async function firstCommands({ text }) {
  const [up, curl] = text.trim().split("\n");
  stack = new Running(up);
  await stack.until("OASIS DevHub is up");
  feed = new Running(curl);
  await feed.until('"type":"connected"');
}

/** Checks that the feed has shown the messages of the block. Their times may differ. */
async function shownByTheFeed({ text }) {
  const withoutTimes = (shown) => shown.replaceAll(/"ts":"[^"]*"/g, '"ts":"…"');
  await feed.until('"kind":"task.init"');
  await feed.until("\n\n", { from: feed.output.indexOf('"kind":"task.init"') });
  const isShown = withoutTimes(feed.output).includes(withoutTimes(text.trim()));
  assert.ok(isShown, `the feed shows:\n${feed.output}\nbut the page says:\n${text}`);
  await feed.interrupt();
}

/** Starts a command that follows a stream, and lets it run as soon as it has shown `expected`. */
const follow =
  (expected) =>
  async ({ text }) => {
    follower = new Running(text);
    await follower.until(expected);
  };

/** Closes the room, and waits for the end of the command that follows its log. */
async function closeTheRoom({ text }) {
  await run(text);
  await follower.finish();
}

const withoutTimesAndIds = (shown) =>
  shown
    .replaceAll(/"(timestamp|createdAt|updatedAt|finishedAt|connection_id)":("[^"]*"|[\d.]+)/g, '"$1":"…"')
    // The meter of curl may stand before an id, on the same line.
    .replaceAll(/(id: |"(?:id|cursor|lastId)":)\d+/g, "$1…")
    .trim();

/** Checks that the last shell block has printed the block. Times and ids may differ. */
async function wasPrinted({ text }) {
  const isPrinted = withoutTimesAndIds(printed).includes(withoutTimesAndIds(text));
  assert.ok(isPrinted, `the command printed:\n${printed}\nbut the page says:\n${text}`);
}

/** Waits until the stream has shown the block. Times and ids may differ. */
async function shownByTheStream({ text }) {
  const isShown = async () => withoutTimesAndIds(follower.output).includes(withoutTimesAndIds(text));
  await until(isShown, `the stream shows:\n${text}`);
}

/** Checks the last block of a stream that does not end, and presses Ctrl-C. */
async function endOfTheStream(block) {
  await shownByTheStream(block);
  await follower.interrupt();
}

/** Mints a token with the first claim of the block, and reads the resource events with it. */
async function claimOfATokenThatReads({ text }) {
  const [claim, limits] = Object.entries(JSON.parse(text)).find(([name]) => name.startsWith("oasis."));
  const mint = `oasis token mint --sub ann --for 1h --claim '${claim}=${JSON.stringify(limits)}'`;
  const url = `${GATEWAY}/api/v1/events?vtid=DEV-CICDL-0031`;
  await run(`curl --fail "${url}" -H "Authorization: Bearer $(${mint})"`);
}

/** Runs the block, whose agent writes the line `done` to a room. */
async function writesToARoom({ text }) {
  await run(text);
  assert.match(await run("oasis logs build-7"), / done$/m);
}

/** Runs the block with the database of the stack and the id of a key. */
async function revokesAKey({ text }) {
  const database = 'export DATABASE_URL="$(cat .oasis/database-url)"\n';
  const id = `"$(oasis keys list --user alice | sed -n '2s/ .*//p')"`;
  await run(database + text.replace("revoke ID", `revoke ${id}`));
}

/** Runs the block as a script under heartbeat-agent, with stand-ins for the reader's programs. */
async function nightly({ text }) {
  write("nightly.sh", text);
  write("tasks.sh", "#!/bin/sh\necho DEV-CICDL-0031\n");
  write("work.sh", '#!/bin/sh\n[ "$1" = DEV-CICDL-0031 ]\n');
  await run(`GATEWAY_URL=${GATEWAY} heartbeat-agent --agent nightly -- ./nightly.sh`);
}

/**
 * Runs the block under heartbeat-agent.
 * @param {string} program the interpreter of the block
 */
const insideAnAgent =
  (program) =>
  async ({ text }) => {
    write("inside", text);
    await run(`GATEWAY_URL=${GATEWAY} heartbeat-agent --agent inside -- ${program} ./inside`);
  };

/** Checks that ingest accepts the event in the block, after removing comments and replacing each `…`. */
async function ingested({ text }) {
  const event = JSON.parse(text.replaceAll(/ {2,}\/\/.*$/gm, "").replaceAll("…", "example"));
  const response = await fetch(`${GATEWAY}/events/ingest`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(event),
  });
  assert.equal(response.status, 201, await response.text());
}

/** Checks that the block lists the fields of an agent in the API. */
async function fieldsOfAnAgent({ text }) {
  const documented = [...text.matchAll(/"(\w+)":/g)].map((match) => match[1]);
  const agents = await (await fetch(`${GATEWAY}/api/v1/oasis/agents`)).json();
  assert.ok(agents.length > 0, "the gateway lists no agents");
  assert.deepEqual(documented, Object.keys(agents[0]));
}

/** Checks that `file`, whose doc tests are compiled, contains each line of the block. */
const compiledIn =
  (file) =>
  ({ text }) => {
    const code = fs.readFileSync(path.join(REPO, file), "utf8");
    for (const line of text.split("\n").map((line) => line.replace(/ {2,}\/\/.*$/, "").trim()))
      assert.ok(code.includes(line), `${file} does not contain: ${line}`);
  };

const sql = async ({ text }) => {
  write("statement.sql", text);
  await run('psql "$(cat .oasis/database-url)" -v ON_ERROR_STOP=1 --quiet --file statement.sql');
};

/** Makes the table that the examples of `oasis import` read. */
const otherTable = () =>
  sql({
    text:
      "CREATE SCHEMA app; CREATE TABLE app.events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), " +
      "happened_at timestamptz DEFAULT now(), type text, what text); " +
      "INSERT INTO app.events (type, what) VALUES ('task', 'task.done');",
  });

/** Makes the certificates, and checks that a client accepts them. */
const certificates = ({ text }) =>
  run(`${text}\nopenssl verify -CAfile root.crt -verify_hostname db.example server.crt`);

const NEEDS_GITHUB = "it needs GitHub and the internet";
const CARGO = "CI runs each of these commands as a separate step";
/**
 * The actions for blocks that are not simply run as written. An entry has the page, a text that the block
 * contains, and the action. The first matching entry applies.
 */
const BLOCKS = [
  ["README.md", "cargo oasis up", firstCommands],
  ["README.md", '"type":"mode"', shownByTheFeed],
  ["README.md", "──▶", because("it is a picture")],
  ["CONTRIBUTING.md", "cargo install cargo-fuzz", because("it needs a nightly toolchain")],
  ["CONTRIBUTING.md", "cargo", because(CARGO)],
  ["examples/README.md", "consume", because("examples() runs it and checks its output")],
  ["docs/agents.md", "-- sleep 300", listsTheAgent("planner")],
  ["docs/agents.md", "heartbeat-agent set-vtid DEV", insideAnAgent("bash -eu")],
  ["docs/agents.md", "--room build-7", writesToARoom],
  ["docs/agents.md", "./nightly.sh", nightly],
  ["docs/agents.md", 'subprocess.run(["heartbeat-agent"', insideAnAgent("python3")],
  ["docs/agents.md", "ENTRYPOINT", because("it needs a container engine")],
  ["docs/agents.md", "Heartbeat::start", compiledIn("services/heartbeat-agent/src/lib.rs")],
  ["docs/api.md", '"kind": "task.init"', ingested],
  ["docs/api.md", '"agent": "planner"', fieldsOfAnAgent],
  ["docs/canon.md", "", because("help.mjs runs the commands, and tests of oasis-canon check the settings")],
  ["docs/casts.md", "curl -N", follow("event: status")],
  ["docs/casts.md", "event: complete", endOfTheStream],
  ["docs/casts.md", "event: status", shownByTheStream],
  ["docs/console.md", "proxy_pass", because("console/tests/browser/prefix.test.js uses such a proxy")],
  ["docs/database.md", "oasis import", because("tests of the command line run these commands")],
  ["docs/database.md", "fit unchanged", because("a test of the command line checks this output")],
  ["docs/database.md", "INSERT INTO public.oasis_events", sql],
  ["docs/database.md", "openssl", certificates],
  ["docs/database.md", "", because("tests of oasis-store run these statements")],
  ["docs/deploys.md", "deploy-watcher --every", prints("listening")],
  ["docs/deploys.md", "SELECT", sql],
  ["docs/github.md", "gh webhook forward", because(NEEDS_GITHUB)],
  ["docs/github.md", "cloudflared tunnel", because(NEEDS_GITHUB)],
  ["docs/github.md", "npx smee-client", because(NEEDS_GITHUB)],
  ["docs/identity.md", "oasis keys revoke ID", revokesAKey],
  ["docs/resources.md", "curl -N", follow("event: connected")],
  ["docs/resources.md", "event: connected", shownByTheStream],
  ["docs/resources.md", "event: workload_status_update", endOfTheStream],
  ["docs/resources.md", '"oasis.resources"', claimOfATokenThatReads],
  ["docs/rooms.md", "oasis logs", follow("All tests passed")],
  ["docs/rooms.md", "oasis rooms close", closeTheRoom],
  ["docs/rooms.md", "curl -N", follow("event: connected")],
  ["docs/rooms.md", "event: ", shownByTheStream],
  ["docs/terminal.md", "PR #100 merged", because("a test of the command line checks this output")],
  ["docs/figures.md", "cargo test --release", because("it is a measurement, which needs an idle machine")],
  ["docs/figures.md", "cargo bench-all", because("it takes half an hour and needs an idle machine")],
  ["console/client/README.md", "<script", because("console/tests/browser/readme.test.js runs it")],
  ["docs/casts.md", "SELECT user_id", sql],
  ["console/client/README.md", "castProfile(", because("console/tests/client/casts-readme.test.js runs it")],
  ["console/client/README.md", "resourceProfile(", because("console/tests/client/resources.test.js runs it")],
];
const RUNNERS = {
  sh: async ({ text }) => {
    printed = await run(text);
  },
  json: wasPrinted,
  python: ({ text }) => run("python3 -", { input: text, env: { GATEWAY_URL: GATEWAY } }),
};

async function check(block) {
  const [, , action] = BLOCKS.find(([page, text]) => page === block.page && block.text.includes(text)) ?? [];
  const runner = action ?? RUNNERS[block.lang];
  const place = `${block.page}:${block.line}`;
  assert.ok(runner, `${place}: nothing checks a block of "${block.lang}": add an entry to BLOCKS`);
  await runner(block);
}

/** Runs all shell blocks of a page as one script. */
async function checkAsOneScript(page, options) {
  const blocks = blocksOf(page).filter(({ lang }) => lang === "sh");
  await run(blocks.map(({ text }) => text).join("\n"), options);
  return blocks.length;
}

// --- Examples ----------------------------------------------------------------------------------------------

/** Checks that every consumer prints each published event exactly once, even if the gateway restarts. */
async function examples() {
  const consumers = [
    "python3 examples/consume.py",
    "node examples/consume.mjs",
    "cargo run --package oasis-example-consume",
  ];
  const running = consumers.map((command) => new Running(`exec ${command}`));
  const publishers = ["examples/publish.sh", "python3 examples/publish.py", "node examples/publish.mjs"];
  const published = async () => {
    const events = await (await fetch(`${GATEWAY}/api/v1/oasis/events?module=EXAMPLE&limit=1000`)).json();
    return events.map(({ id, title, status }) => ({ id, title, status })).reverse();
  };
  const before = (await published()).length;
  for (const command of publishers) await run(command);
  let events = (await published()).slice(before);
  assert.equal(events.length, 5);
  const states = new Map(events.map(({ title, status }) => [title, status]));
  assert.deepEqual([...states.values()], ["info", "success"], "the examples leave no work that runs forever");
  await seen(running, events);

  await stack.interrupt();
  stack = new Running("cargo oasis up");
  await stack.until("OASIS DevHub is up");
  await run(publishers[0]);
  events = (await published()).slice(before);
  await seen(running, events);
  for (const consumer of running) await consumer.interrupt();
  return consumers.length + publishers.length;
}

async function seen(running, events) {
  const last = `${events.at(-1).id} `;
  for (const consumer of running) {
    await consumer.until(`\n${last}`);
    // The rest of the line can arrive later.
    await consumer.until("\n", { from: consumer.output.indexOf(`\n${last}`) + 1 });
    for (const { id, title, status } of events) {
      const lines = consumer.output.split("\n").filter((line) => line.startsWith(`${id} `));
      assert.equal(lines.length, 1, `${consumer.script} must print event ${id} once:\n${consumer.output}`);
      assert.ok(lines[0].endsWith(`${title} ${status}`), lines[0]);
    }
  }
}

// --- Main --------------------------------------------------------------------------------------------------

furnish();
let count = 0;
try {
  const pages = ["README.md", "CONTRIBUTING.md", "examples/README.md", "console/client/README.md"];
  for (const name of fs.readdirSync(path.join(REPO, "docs")))
    if (name.endsWith(".md") && name !== "cloud-run.md") pages.push(`docs/${name}`);
  // The check of api.md needs some agents, and the blocks of agents.md start them. So api.md is last.
  pages.sort((a, b) => (a === "docs/api.md") - (b === "docs/api.md"));
  for (const block of pages.flatMap(blocksOf)) {
    await check(block);
    count++;
  }
  const input = "postgres://owner:secret@db.example/oasis\n";
  count += await checkAsOneScript("docs/cloud-run.md", { input });
  await otherTable();
  const help = await checkHelp();
  const programs = await examples();
  await stack.interrupt();
  const up = await checkHelpOfUp();
  for (const line of [...notRun, ...help.notRun, ...up.notRun]) console.log(`not run here: ${line}`);
  console.log(`docs: ran ${count - notRun.length} of ${count} code blocks, and ${programs} example programs`);
  console.log(`help: ran ${help.ran + up.ran} of ${help.all + up.all} examples`);
} finally {
  await feed?.interrupt();
  await follower?.interrupt();
  await stack?.interrupt();
  fs.rmSync(SANDBOX, { recursive: true, force: true });
}
