// The hints that the page shows while it has nothing to show: the command that sends the first event, and the
// command that starts an agent.

import { GATEWAY } from "./address.js";
import { copy, h, makeButton, on, setText } from "./dom.js";

/** Makes the hint for a feed without events. */
export function howToSend() {
  const command = [
    `curl ${GATEWAY}/events/ingest -H 'Content-Type: application/json' \\`,
    `     -d '{"vtid":"DEV-CICDL-0031","source":"oasis.events","kind":"task.init","status":"info"}'`,
  ].join("\n");
  return hint(
    "No events yet. To see the first event here, send an event with this command:",
    command,
    "If INGEST_TOKENS is set on the gateway, add -H 'Authorization: Bearer …'.",
  );
}

/** Makes the hint for a list without agents. The command runs without changes if ingest needs no token. */
export function howToStartAgent() {
  return hint(
    "No agent has sent a heartbeat yet. To see an agent here, run a program under heartbeat-agent:",
    `GATEWAY_URL=${GATEWAY} heartbeat-agent --agent planner -- sleep 300`,
    "Replace sleep 300 with your program. If INGEST_TOKENS is set on the gateway, also set INGEST_TOKEN. " +
      "To install heartbeat-agent from a clone of the repository, run " +
      "cargo install --locked --profile local --path services/heartbeat-agent.",
  );
}

/**
 * A command with a button that copies it.
 *
 * @param {string} why
 * @param {string} command
 * @param {string} more
 */
export function hint(why, command, more) {
  const button = makeButton("small", {}, "Copy");
  on(button, "click", async () => setText(button, (await copy(command)) ? "Copied" : "Copy failed"));
  return h("div.how", h("p", why), h("pre", { tabindex: 0 }, command), h("p.quiet", button, ` ${more}`));
}
