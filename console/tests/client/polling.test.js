import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { Poller } from "../../client/poll.js";
import { held, polled, polling, sleeping, upTo } from "./held.js";
import { follow, ids, ticker } from "./server.js";

const options = { timeout: 60_000 };

test("if the stream delivers no byte, polls deliver each event once and in order", options, async (t) => {
  const { gateway, followed } = await polled(t, 30, { filters: { kind: "push" } });
  const { feed, clock, shown, of } = followed;
  assert.deepEqual(ids(shown()), upTo(11, 30), "the feed begins with the last 20 events");
  assert.deepEqual(gateway.queries, [{ kind: "push", limit: "100" }]);
  assert.deepEqual([of("events")[0].replay, feed.delay], [true, null]);
  const { response } = gateway.streams[0];
  if (!response.closed) await once(response, "close");
  gateway.last = 33;
  clock.advance(1_999);
  assert.equal(gateway.queries.length, 1);
  clock.advance(1);
  await sleeping(followed, 2);
  assert.deepEqual(ids(shown()), upTo(11, 33));
  assert.deepEqual([of("events")[1].replay, feed.lastEventId], [false, 33]);
  assert.equal(feed.delay, shown().at(-1).receivedAt - Date.parse(ticker(1).ts));
  clock.advance(2_000);
  await sleeping(followed, 3);
  assert.deepEqual(ids(shown()), upTo(11, 33));
  assert.deepEqual(
    of("state").map(({ reason }) => reason),
    ["start", "polling"],
  );
});

test(
  "a poll reads every page of new events, and the next poll reads events that arrive in the meantime",
  options,
  async (t) => {
    const { gateway, followed } = await polled(t, 5, { keep: 100 });
    const { feed, clock, shown } = followed;
    gateway.last = 3_505;
    const answer = gateway.server.answer;
    gateway.server.answer = (asked) => {
      const answered = answer(asked);
      gateway.last += 7;
      return answered;
    };
    clock.advance(2_000);
    await sleeping(followed, 2);
    assert.deepEqual(ids(shown()), upTo(1, 3_505));
    assert.deepEqual(
      gateway.queries.slice(1).map(({ limit, before }) => [limit, before]),
      [
        ["100", undefined],
        ["1000", "3406"],
        ["1000", "2406"],
        ["1000", "1406"],
        ["1000", "406"],
      ],
    );
    clock.advance(2_000);
    await sleeping(followed, 3);
    assert.deepEqual(ids(shown()), upTo(1, 3_505 + 5 * 7));
    assert.equal(feed.events.length, 100);
  },
);

test("a poll delivers about 10,000 new events and reports the others as a gap", options, async (t) => {
  const { followed } = await polled(t, 30_000, { lastEventId: 10 });
  const [{ from, to, reason }] = followed.of("gap");
  assert.deepEqual([from, to, reason], [10, 19_900, "skipped"]);
  assert.deepEqual(ids(followed.shown()), upTo(19_901, 30_000));
});

test("a poll that fails on a later page is repeated in full", options, async (t) => {
  const { gateway, followed } = await polled(t, 50, { lastEventId: 0 });
  const { feed, clock, shown, state, retry } = followed;
  gateway.last = 900;
  const answer = gateway.server.answer;
  gateway.server.answer = (asked) => {
    if (asked.query.has("before")) {
      gateway.failing = 1;
      gateway.server.answer = answer;
    }
    return answer(asked);
  };
  clock.advance(2_000);
  await state("reconnecting");
  assert.deepEqual([feed.reason, feed.transport, shown().length], ["server_error", "poll", 50]);
  await retry();
  await sleeping(followed, 2);
  assert.deepEqual(ids(shown()), upTo(1, 900));
});

test("after a poll that found no events, the next poll delivers every event", options, async (t) => {
  const { gateway, followed } = await polled(t, 0);
  gateway.last = 45;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  assert.deepEqual(ids(followed.shown()), upTo(1, 45));
});

test("the first poll leaves out repeated pings, and later polls keep them", options, async (t) => {
  const gateway = await held(t);
  gateway.repeats = (id) => id > 40;
  gateway.last = 90;
  const followed = follow(t, gateway.server.url);
  await polling(gateway, followed);
  await sleeping(followed, 1);
  assert.deepEqual(ids(followed.shown()), upTo(21, 40));
  assert.equal(followed.feed.lastEventId, 90);
  gateway.last = 92;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  assert.deepEqual(ids(followed.shown()), [...upTo(21, 40), 91, 92]);
});

test("a poll detects a restored database", options, async (t) => {
  const { gateway, followed } = await polled(t, 100);
  gateway.last = 60;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  const [{ from, to, reason }] = followed.of("gap");
  assert.deepEqual([from, to, reason], [100, 60, "reset"]);
  assert.deepEqual(ids(followed.feed.events), upTo(41, 60));
  assert.equal(followed.feed.lastEventId, 60);
});

test("a poll does not mistake pruning for a reset", options, async (t) => {
  const { gateway, followed } = await polled(t, 100);
  gateway.drop = 100;
  followed.clock.advance(2_000);
  await sleeping(followed, 2);
  gateway.last = 101;
  followed.clock.advance(2_000);
  await sleeping(followed, 3);
  assert.deepEqual(followed.of("gap"), []);
  assert.deepEqual(ids(followed.shown()), upTo(81, 101));
});

test("a poll returns only events after the cursor", async () => {
  const page = upTo(1, 50).reverse();
  const query = async () => ({ events: page.map((id) => ({ id, meta: {} })) });
  const { events, upTo: newest } = await new Poller().next(45, query);
  assert.deepEqual([ids(events), newest], [[46, 47, 48, 49, 50], 50]);
});
