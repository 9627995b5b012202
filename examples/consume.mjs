// Prints the events of the feed until Ctrl-C. A lost connection neither loses nor repeats an event.
//
// The client reconnects and resumes by itself. To resume after a restart of this program, store
// `feed.lastEventId` with your own results and pass it as `lastEventId`.

import { OasisFeed } from "../console/client/index.js";

const feed = new OasisFeed({
  url: process.env.GATEWAY_URL ?? "http://localhost:8080",
  token: process.env.READ_TOKEN,
  maxTries: Number.POSITIVE_INFINITY,
});
feed.addEventListener("events", ({ detail }) => {
  for (const { id, ts, title, status } of detail.events) console.log(id ?? "simulated", ts, title, status);
});
feed.addEventListener("gap", ({ detail }) => console.log("gap:", detail.reason));
feed.addEventListener("state", ({ detail }) => {
  if (detail.error) console.error(detail.state, detail.error.message);
});
feed.start();
