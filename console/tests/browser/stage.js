// Gives each test file its own stack and browser, and removes both after the last test of the file.

import { after } from "node:test";
import { launch, Stack } from "./stack.js";

/** @param {Record<string, string>} [env] The environment of the stack. */
export async function stage(env) {
  const [stack, browser] = await Promise.allSettled([Stack.start(env), launch()]);
  const remove = async () => {
    if (browser.status === "fulfilled") await browser.value.close();
    if (stack.status === "fulfilled") await stack.value.remove();
  };
  if (stack.status === "fulfilled" && browser.status === "fulfilled") {
    after(remove);
    return { stack: stack.value, browser: browser.value };
  }
  await remove();
  throw [stack, browser].find(({ status }) => status === "rejected")?.reason;
}
