// What is shown where no event has come yet.

import { copy, h, makeButton, on, setText } from "./dom.js";

/** The command that sends a first event, to be copied. */
export function howToSend() {
  const command = [
    `curl ${location.origin}/events/ingest -H 'Content-Type: application/json' \\`,
    `     -d '{"vtid":"DEV-CICDL-0031","source":"oasis.events","kind":"task.init","status":"info"}'`,
  ].join("\n");
  const button = makeButton("small", {}, "Copy");
  on(button, "click", async () => setText(button, (await copy(command)) ? "Copied" : "Select it by hand"));
  return h(
    "div.how",
    h("p", "No event yet. Send one, and it appears here at once:"),
    h("pre", { tabindex: 0 }, command),
    h("p.quiet", button, " A gateway with INGEST_TOKENS also wants -H 'Authorization: Bearer …'."),
  );
}
