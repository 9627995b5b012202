// Makes the hint that the page shows while no event is stored: a command that sends the first event.

import { copy, h, makeButton, on, setText } from "./dom.js";

/** Makes the hint, with the command and a button that copies it. */
export function howToSend() {
  const command = [
    `curl ${location.origin}/events/ingest -H 'Content-Type: application/json' \\`,
    `     -d '{"vtid":"DEV-CICDL-0031","source":"oasis.events","kind":"task.init","status":"info"}'`,
  ].join("\n");
  const button = makeButton("small", {}, "Copy");
  on(button, "click", async () => setText(button, (await copy(command)) ? "Copied" : "Select the text"));
  return h(
    "div.how",
    h("p", "No events yet. Send one, and it appears here at once:"),
    h("pre", { tabindex: 0 }, command),
    h("p.quiet", button, " If the gateway has INGEST_TOKENS, add -H 'Authorization: Bearer …'."),
  );
}
