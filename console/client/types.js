// The types of the client. This file contains only types.

/** @typedef {"queued" | "in_progress" | "success" | "failure" | "cancelled" | "info"} Status */

/** @typedef {"oasis.events" | "github.actions" | "gcp.deploy" | "agent.ping"} Source */

/**
 * The ten fields of every event.
 *
 * @typedef {object} Ticker
 * @property {string} ts The time of the event at its source: RFC 3339, UTC, with milliseconds.
 * @property {string} vtid The task's VTID, `UNSET` or `IDLE`.
 * @property {string} layer
 * @property {string} module
 * @property {Source} source
 * @property {string} kind
 * @property {Status} status
 * @property {string} title
 * @property {string} ref
 * @property {string | null} link An http(s) address. The client turns any other value into null.
 */

/**
 * The fields that the feed adds to an event.
 *
 * @typedef {object} Received
 * @property {number | null} id The event's id; null if the event is simulated.
 * @property {number} receivedAt When the client received the event, in milliseconds since the epoch.
 * @property {boolean} simulated True if the gateway simulated the event because no event is stored yet.
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
 * @property {Status | null} status The status with which the agent stopped; null if it has not stopped.
 * @property {string} since The `ts` of the event that set the agent's task and state.
 * @property {string} last_seen When the agent's last ping was recorded.
 * @property {number | null} interval The interval between pings that the agent promised, in seconds.
 * @property {number} last_id The id of the agent's last ping.
 */

/** @typedef {"vtid" | "layer" | "module" | "source" | "kind" | "status"} FilterName */

/**
 * Filters for events. Each filter is a value, a comma-separated list or an array. An empty filter matches
 * every event.
 *
 * @typedef {Partial<Record<FilterName, string | readonly string[]>>} Filters
 */

/**
 * - `connecting`: the first attempt after the feed was started, or after the filters changed
 * - `live`: events arrive as they are committed
 * - `mock`: the gateway has no stored event yet and sends simulated ones
 * - `reconnecting`: the connection was lost; `retryAt` is the time of the next attempt, or null during an
 *   attempt
 * - `offline`: not started, stopped, refused or given up; `retryAt` is set if another attempt follows
 *
 * @typedef {"connecting" | "live" | "mock" | "reconnecting" | "offline"} FeedState
 */

/**
 * Why the feed is in its state.
 *
 * - `start`, `filters`, `retry`, `stopped`: the page called `start()`, `setFilters()`, `retry()` or `stop()`;
 *   `retry` can also mean that the browser is online again
 * - `connected`, `mode`: the gateway sent its first message, or changed its mode
 * - `polling`: a poll succeeded
 * - `trying`: the wait is over, and the client is trying to connect
 * - `closed`: the server closed the connection; `network`: the connection broke or could not be opened
 * - `silence`: no byte arrived for too long
 * - `block_too_large`, `not_a_feed`: the response is not the gateway's feed
 * - `busy` (429, 503), `server_error` (408, 425, other 5xx): the server cannot answer now
 * - `bad_request`, `unauthorized`, `forbidden`, `not_found`, `refused` (other 4xx): the server refused the
 *   feed
 * - `done`: the server ended the feed (204)
 * - `gave_up`: `maxTries` attempts in a row failed
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
 * @property {import("./errors.js").OasisError | null} error The error that led to the state, if one did.
 */

/**
 * @typedef {object} EventsDetail
 * @property {OasisEvent[]} events Oldest first.
 * @property {boolean} replay Whether the events were stored before the feed connected.
 */

/**
 * - `pruned`: the events after `from`, up to and including `to`, are no longer stored
 * - `reset`: the database was restored; earlier events may no longer exist, and the last events follow
 * - `skipped`: a poll found too many events; use `queryEvents` to read the events after `from`, up to and
 *   including `to`
 *
 * @typedef {object} GapDetail
 * @property {number | null} from
 * @property {number | null} to
 * @property {"pruned" | "reset" | "skipped"} reason
 */

/** @typedef {{ ts: string | null }} HeartbeatDetail The gateway's time; null if a poll caused the event. */

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
 *   20 events.
 * @property {number} [keep] The maximum length of `events`; by default 5,000.
 * @property {number} [maxTries] Give up after this many failed attempts in a row; by default 10. Infinity
 *   never gives up.
 * @property {number} [silence] A connection counts as lost after this many milliseconds without a byte; by
 *   default 40,000.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {() => number} [now]
 * @property {(work: () => void, milliseconds: number) => unknown} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 * @property {() => number} [random]
 */

export {};
