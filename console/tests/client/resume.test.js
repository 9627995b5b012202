import assert from "node:assert/strict";
import { test } from "node:test";

import { pick, seeded } from "./clock.js";
import { connected, event, follow, heartbeat, ids, Server, STREAM } from "./server.js";

const CUTS = 50;
const LAST = 600;

/** The complete stream after this cursor. Every third event is left out, as a filter would do. */
function story(cursor, random) {
  const ends = ["\n", "\r", "\r\n"];
  let text = connected(LAST);
  for (let id = cursor + 1; id <= LAST; id += 1) {
    if (id % 3 !== 0) text += event(id);
    else if (random() < 0.5) text += `id: ${id}\n\n`;
    if (random() < 0.1) text += random() < 0.5 ? heartbeat : ": life\n\n";
    // The server sends some events twice.
    if (random() < 0.1 && id % 3 !== 0) text += event(id);
  }
  return Buffer.from(text.replaceAll("\n", ends[pick(random, 0, 2)]));
}

for (const seed of [1, 2, 3]) {
  test(`no event is lost or repeated in ${CUTS} cuts (seed ${seed})`, { timeout: 60_000 }, async (t) => {
    const random = seeded(seed);
    const server = await Server.start(t);
    const { feed, clock, shown, until } = follow(t, server.url, { lastEventId: 0, maxTries: CUTS * 2 });
    feed.addEventListener("state", ({ detail: { retryAt } }) => {
      if (retryAt !== null) queueMicrotask(() => clock.advance(retryAt - clock.now()));
    });
    const cursors = [];
    server.answer = ({ response, cursor }) => {
      // The cursor is the id of the last delivered event. If the filter left out the next event, the cursor
      // can also be the id of the next event.
      const newest = shown().at(-1)?.id ?? 0;
      assert.ok(Number(cursor) >= newest && Number(cursor) <= newest + 1, `cursor ${cursor}, last ${newest}`);
      cursors.push(Number(cursor));
      response.writeHead(200, STREAM);
      const bytes = story(Number(cursor), random);
      const whole = cursors.length > CUTS;
      let at = 0;
      const end = whole ? bytes.length : pick(random, 0, Math.min(bytes.length, 8_000));
      const write = () => {
        if (at >= end) {
          if (whole) return;
          if (random() < 0.5) response.end();
          else response.socket.resetAndDestroy();
          return;
        }
        const next = Math.min(end, at + pick(random, 1, 700));
        response.write(bytes.subarray(at, next), write);
        at = next;
      };
      write();
      return true;
    };
    feed.start();
    const wanted = Array.from({ length: LAST }, (_, at) => at + 1).filter((id) => id % 3 !== 0);
    await until(() => shown().at(-1)?.id === wanted.at(-1) && cursors.length > CUTS);
    assert.deepEqual(ids(shown()), wanted);
    assert.equal(cursors.length, CUTS + 1);
    assert.ok(new Set(cursors).size > 10, "the cuts are at different places");
  });
}
