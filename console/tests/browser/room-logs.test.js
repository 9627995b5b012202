// Tests `useRoomLogs` in a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve, show, VERSIONS } from "./react-stage.js";
import { close as closeRoom, ENV, mint, numbered, put, write } from "./rooms.js";
import { until } from "./stack.js";
import { stage } from "./stage.js";

const { stack, browser } = await stage(ENV);

for (const version of VERSIONS) {
  test(`React ${version}: a component shows the last lines of a room, new ones, and its end`, async () => {
    const room = `build-${version}`;
    await put(stack, room);
    await write(stack, room, numbered(1, 5));
    const address = await serve("react-page.js", version);
    const { page, faults, close } = await show(browser, address, {
      url: stack.url,
      token: mint("alice"),
      room,
    });
    const log = page.locator("pre");
    const shows = (text) => until(async () => (await log.textContent()) === text, `the log shows ${text}`);
    await shows("line 3\nline 4\nline 5\n");
    await write(stack, room, ["line 6"]);
    await shows("line 4\nline 5\nline 6\n");
    await closeRoom(stack, room);
    await page.locator('pre[data-state="closed"]').waitFor();
    assert.deepEqual(faults, []);
    await close();
  });
}
