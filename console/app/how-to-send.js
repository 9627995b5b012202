// The hint that the page shows while no event is stored.

import { GATEWAY } from "./address.js";
import { copy, h, makeButton, on, setText } from "./dom.js";

/** Makes the hint: a command that sends the first event, and a button that copies the command. */
export function howToSend() {
  const command = [
    `curl ${GATEWAY}/events/ingest -H 'Content-Type: application/json' \\`,
    `     -d '{"vtid":"DEV-CICDL-0031","source":"oasis.events","kind":"task.init","status":"info"}'`,
  ].join("\n");
  const button = makeButton("small", {}, "Copy");
  on(button, "click", async () => setText(button, (await copy(command)) ? "Copied" : "Copy failed"));
  return h(
    "div.how",
    h("p", "No events yet. To see the first event here, send an event with this command:"),
    h("pre", { tabindex: 0 }, command),
    h("p.quiet", button, " If INGEST_TOKENS is set on the gateway, add -H 'Authorization: Bearer …'."),
  );
}
