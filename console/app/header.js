// The header: the state of the connection, the delay and the rate of events, and the banner below the header.

import { byId, fill, h, makeButton, on, setText, svg } from "./dom.js";
import { howToSend } from "./how-to-send.js";
import { tokenForm } from "./labels.js";
import { MINUTES } from "./rate.js";
import { exact, rounded } from "./time.js";

/** @type {Record<import("../client/types.js").FeedState, string>} */
const WORDS = {
  connecting: "CONNECTING",
  live: "LIVE",
  mock: "MOCK",
  reconnecting: "RECONNECTING",
  offline: "OFFLINE",
};

/** @type {Partial<Record<string, string>>} */
const REASONS = {
  network: "The gateway can't be reached.",
  closed: "The gateway ended the connection.",
  silence: "The gateway stopped responding.",
  busy: "The gateway is busy.",
  server_error: "The gateway reports an error.",
  not_a_feed: "The response is not from the gateway.",
};

export class Header {
  #store;
  #badge = byId("state");
  #word = byId("state-word");
  #retry = byId("retry");
  #banner = byId("banner");
  #bannerKey = "";
  #sparkKey = "";

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.#store = store;
    on(this.#retry, "click", () => store.feed.retry());
    on(store, "gap", () => {
      this.#bannerKey = "";
    });
  }

  /** @param {number} now The time by the gateway's clock. */
  show(now) {
    const { feed, tally, newestAt } = this.#store;
    const { state, retryAt, transport } = feed;
    const wait = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    this.#badge.dataset.state = state;
    const polls = state === "live" && transport === "poll";
    setText(
      this.#word,
      state === "reconnecting" && wait > 0
        ? `RECONNECTING in ${wait} s`
        : polls
          ? "LIVE, polling"
          : WORDS[state],
    );
    this.#retry.hidden = state !== "offline" && !(state === "reconnecting" && wait > 1);
    const last = byId("last");
    last.hidden = newestAt === 0 || state === "mock";
    if (newestAt > 0) {
      const ago = now - newestAt;
      setText(last, `last event ${ago < 1_000 ? "just now" : `${rounded(ago)} ago`}`);
      last.title = exact(newestAt);
    }
    setText(byId("rate-number"), tally.rate.perMinute(now)?.toLocaleString() ?? "\u2013");
    this.#spark(tally.rate.minutes(now));
    this.#showBanner();
  }

  /** @param {(number | null)[]} minutes */
  #spark(minutes) {
    const key = minutes.join();
    if (key === this.#sparkKey) return;
    this.#sparkKey = key;
    const most = Math.max(1, ...minutes.map((count) => count ?? 0));
    const width = 120 / MINUTES;
    const bars = minutes.map((count, i) => {
      const height = count === null ? 1 : Math.max(1, Math.round((22 * count) / most));
      return svg("rect", {
        x: i * width,
        y: 24 - height,
        width: width - 1,
        height,
        class: count === null ? "unknown" : count === 0 ? "none" : "some",
      });
    });
    const spark = byId("spark");
    spark.replaceChildren(...bars);
    const known = minutes.filter((count) => count !== null);
    const bounds = `The maximum is ${most.toLocaleString()}. ${known.length} of ${MINUTES} counts are known.`;
    spark.ariaLabel = `Events per minute over the last half hour. ${bounds}`;
  }

  #showBanner() {
    const { feed, gap, events } = this.#store;
    const { state, reason, error } = feed;
    const key = [state, reason, error?.message, gap?.reason, gap?.to, events.length > 0].join();
    if (key === this.#bannerKey) return;
    this.#bannerKey = key;
    const banner = this.#banner;
    banner.dataset.state = state;
    banner.hidden = false;
    if (reason === "unauthorized" || reason === "forbidden") return this.#askForToken(error?.message ?? "");
    if (state === "mock") {
      const details = h("details", h("summary", "Send the first real event"), howToSend());
      return fill(
        banner,
        h(
          "p",
          h("strong", "Simulated."),
          " No event is stored yet. The events below are invented. The first real event removes all of them.",
        ),
        details,
      );
    }
    if (state === "reconnecting" || (state === "offline" && reason !== "stopped")) {
      const kept =
        events.length > 0 ? " The events shown here stay. Missed events appear after a reconnect." : "";
      return fill(
        banner,
        h("p", h("strong", (reason && REASONS[reason]) ?? error?.message ?? "The connection is lost."), kept),
      );
    }
    if (gap && state === "live") {
      const first = ((gap.from ?? 0) + 1).toLocaleString();
      const last = (gap.to ?? 0).toLocaleString();
      const why = gap.reason === "pruned" ? ": they are no longer stored" : "";
      const text =
        gap.reason === "reset"
          ? "The gateway's database was replaced or restored. The list has started over."
          : `Events ${first} to ${last} are missing from this list${why}.`;
      const onclick = () => {
        this.#store.gap = null;
        this.#showBanner();
      };
      const close = makeButton("small", { onclick }, "Close");
      return fill(banner, h("p", text), close);
    }
    banner.hidden = true;
  }

  /** @param {string} why */
  #askForToken(why) {
    fill(this.#banner, h("p", h("strong", "This gateway requires a token."), ` ${why}`), tokenForm());
  }
}
