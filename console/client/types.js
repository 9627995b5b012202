// The types of the client. Nothing here exists at run time.

/** @typedef {"queued" | "in_progress" | "success" | "failure" | "cancelled" | "info"} Status */

/** @typedef {"oasis.events" | "github.actions" | "gcp.deploy" | "agent.ping"} Source */

/**
 * The ten fields of every event.
 *
 * @typedef {object} Ticker
 * @property {string} ts When it happened at its source: RFC 3339, UTC, milliseconds.
 * @property {string} vtid The task, or `UNSET`, or `IDLE`.
 * @property {string} layer
 * @property {string} module
 * @property {Source} source
 * @property {string} kind
 * @property {Status} status
 * @property {string} title
 * @property {string} ref
 * @property {string | null} link An http(s) address; anything else the wire may hold becomes null.
 */

/**
 * What the feed tells of an event beside its fields.
 *
 * @typedef {object} Received
 * @property {number | null} id Its place in the feed; null if it is simulated.
 * @property {number} receivedAt Milliseconds since the epoch.
 * @property {boolean} simulated It never happened: the gateway has no event to show yet.
 */

/** @typedef {Ticker & Received} OasisEvent */

/**
 * @typedef {object} Stored
 * @property {number} id
 * @property {string} recorded_at
 * @property {string} channel
 * @property {Record<string, unknown>} meta
 */

/** @typedef {Ticker & Stored} StoredEvent */

/**
 * One run of an agent.
 *
 * @typedef {object} Agent
 * @property {string} agent
 * @property {string | null} role
 * @property {string} instance
 * @property {string | null} host
 * @property {number | null} pid
 * @property {string | null} started
 * @property {string} module
 * @property {string} vtid
 * @property {string} layer
 * @property {"working" | "idle" | "late" | "lost" | "stopped"} state
 * @property {Status | null} status How it stopped.
 * @property {string} since The `ts` of the event with which it took its task and state.
 * @property {string} last_seen When its last ping was recorded.
 * @property {number | null} interval Seconds.
 * @property {number} last_id The id of its last ping.
 */

/** @typedef {"vtid" | "layer" | "module" | "source" | "kind" | "status"} FilterName */

/**
 * What to see; each a value, a comma-separated list or an array. An empty one is none.
 *
 * @typedef {Partial<Record<FilterName, string | readonly string[]>>} Filters
 */

/**
 * - `connecting`: the first connection, or the first with another filter
 * - `live`: events come as they are committed
 * - `mock`: the gateway has none yet and shows simulated ones
 * - `reconnecting`: the connection was lost; `retryAt` says when it is tried again, null while it is
 * - `offline`: not started, stopped or refused; tried again only if `retryAt` says so
 *
 * @typedef {"connecting" | "live" | "mock" | "reconnecting" | "offline"} FeedState
 */

/**
 * Why the state is what it is.
 *
 * - `start`, `filters`, `retry`, `stopped`: as asked
 * - `connected`, `mode`, `polling`: as the gateway says
 * - `trying`: the wait is over
 * - `closed`: the server ended the connection; `network`: it broke, or never stood
 * - `silence`: nothing was heard for too long
 * - `block_too_large`, `not_a_feed`: what came is no feed
 * - `busy` (429, 503), `server_error`: the server can't now
 * - `bad_request`, `unauthorized`, `forbidden`, `not_found`, `refused` (any other): the server says no
 * - `done`: the server says that it is over (204)
 * - `gave_up`: as many tries in a row as `maxTries` have failed
 *
 * @typedef {"start" | "filters" | "retry" | "stopped" | "connected" | "mode" | "polling" | "trying" |
 *   "closed" | "network" | "silence" | "block_too_large" | "not_a_feed" | "busy" | "server_error" |
 *   "bad_request" | "unauthorized" | "forbidden" | "not_found" | "refused" | "done" | "gave_up"} Reason
 */

/**
 * @typedef {object} StateDetail
 * @property {FeedState} state
 * @property {FeedState} previous
 * @property {number | null} retryAt
 * @property {Reason} reason
 * @property {import("./errors.js").OasisError | null} error What the server said, or what broke.
 */

/**
 * @typedef {object} EventsDetail
 * @property {OasisEvent[]} events Oldest first.
 * @property {boolean} replay They were there before the connection was.
 */

/**
 * - `pruned`: the events after `from`, up to `to`, are no longer kept
 * - `reset`: the database was restored; what was shown may be no longer true and the last events follow
 * - `skipped`: too many for one poll; the events after `from`, up to `to`, can be had from `queryEvents`
 *
 * @typedef {object} GapDetail
 * @property {number | null} from
 * @property {number | null} to
 * @property {"pruned" | "reset" | "skipped"} reason
 */

/** @typedef {{ ts: string | null }} HeartbeatDetail The gateway's time; null from a poll. */

/**
 * @typedef {object} FeedEventMap
 * @property {CustomEvent<EventsDetail>} events
 * @property {CustomEvent<StateDetail>} state
 * @property {CustomEvent<GapDetail>} gap
 * @property {CustomEvent<HeartbeatDetail>} heartbeat
 */

/**
 * @typedef {object} FeedOptions
 * @property {string} [url] The gateway's address; by default the page's own origin.
 * @property {string} [token] One of the gateway's READ_TOKENS.
 * @property {Filters} [filters]
 * @property {number | string | null} [lastEventId] Resume after this event; by default, begin with the last
 *   20.
 * @property {number} [keep] How many events `events` holds at most; by default 5,000.
 * @property {number} [maxTries] Tries in a row without success; by default 10, Infinity for no end.
 * @property {number} [silence] After so many milliseconds without a byte the connection is lost; by default
 *   40,000.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {() => number} [now]
 * @property {(work: () => void, milliseconds: number) => unknown} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 * @property {() => number} [random]
 */

export {};
