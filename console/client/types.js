// The types of the client. This file contains only types.

/** @typedef {import("./connection.js").End} End */

/** @typedef {import("./schemas.js").Status} Status */
/** @typedef {import("./schemas.js").Source} Source */

/**
 * The ten fields of every event. If `link` is not an http(s) address, the client turns it into null.
 *
 * @typedef {import("./schemas.js").Event} Ticker
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
 * A stored event. The client does not check the channel.
 *
 * @typedef {Omit<import("./schemas.js").StoredEvent, "channel"> & { channel: string }} StoredEvent
 */

/**
 * One run of an agent.
 *
 * @typedef {import("./schemas.js").Agent} Agent
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
 * - `busy` (429, 503, or too many streams), `server_error` (408, 425, other 5xx): the server cannot answer
 *   now
 * - `bad_request`, `unauthorized`, `forbidden`, `not_found`, `refused` (other 4xx): the server refused the
 *   feed
 * - `done`: the stream is over (204, the room is closed, or the cast has ended)
 * - `shutdown`, `timeout`: the server ended the connection, and the client may connect again
 * - `token_expired`, `revoked`: the token is no longer valid, so the server ended the stream
 * - `token`: the function `token` failed
 * - `gave_up`: `maxTries` attempts in a row failed
 *
 * @typedef {PageReason | ConnectionReason | ServerReason | RefusalReason} Reason
 */

// The types of TypeScript 7.0 are wrong if a union spans several lines.
/** @typedef {"start" | "filters" | "retry" | "stopped" | "trying" | "token" | "gave_up"} PageReason */
/** @typedef {"connected" | "mode" | "polling" | "closed" | "network" | "silence"} ConnectionReason */
/** @typedef {"block_too_large" | "not_a_feed" | "busy" | "server_error" | "done"} ServerReason */
/** @typedef {Refusal | "shutdown" | "timeout" | "token_expired" | "revoked"} RefusalReason */
/** @typedef {"bad_request" | "unauthorized" | "forbidden" | "not_found" | "refused"} Refusal */

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

/** @typedef {import("./schemas.js").LogLevel} LogLevel */

/**
 * What the client sets. A level that the gateway does not know counts as `info`.
 *
 * @typedef {object} LineFields
 * @property {LogLevel} level
 * @property {unknown} metadata Null if the line has none.
 * @property {string | null} vtid The line's task.
 */

/** @typedef {Omit<import("./schemas.js").StoredLogLine, keyof LineFields>} SentLine */

/**
 * A line of a room. All texts are untrusted, and `message` may contain ANSI escape sequences.
 *
 * @typedef {SentLine & LineFields} RoomLine
 */

/** @typedef {import("./schemas.js").Room} Room */

/**
 * - `lines`: the lines of one network chunk or poll, oldest first
 * - `connected`, `heartbeat`, `gap`, `close`: the frames of the stream
 *
 * @typedef {object} RoomEventMap
 * @property {CustomEvent<{ lines: RoomLine[] }>} lines
 * @property {CustomEvent<StateDetail>} state
 * @property {CustomEvent<{ roomId: string, timestamp: string }>} connected
 * @property {CustomEvent<{ timestamp: string | null }>} heartbeat `timestamp` is null after a poll.
 * @property {CustomEvent<GapDetail>} gap
 * @property {CustomEvent<{ reason: string, message: string }>} close
 */

/** @typedef {import("./schemas.js").ResourceEventType} ResourceEventType */

/** @typedef {NonNullable<import("./schemas.js").ResourceFields["resource_type"]>} ResourceType */

/**
 * The fields of resource events. Which of the optional fields an event has depends on its type.
 *
 * @typedef {object} ResourceFields
 * @property {number} id
 * @property {ResourceEventType} event_type
 * @property {number} timestamp When it happened, in Unix seconds.
 * @property {ResourceType} [resource_type]
 * @property {string} [cluster_id]
 * @property {string} [project_id]
 * @property {string} [workload_id]
 * @property {string} [addon_id]
 * @property {string} [build_id]
 * @property {string} [resource_id]
 * @property {string} [status]
 * @property {string} [message]
 * @property {string} [error]
 * @property {string} [error_type]
 * @property {number} [replicas]
 * @property {number} [available_replicas]
 * @property {string} [kubernetes_version]
 * @property {number} [node_count]
 * @property {string} [image_digest]
 * @property {number} [build_duration]
 * @property {string} [vtid]
 */

/**
 * A resource event: a flat object, which may have further fields. All texts are untrusted.
 *
 * @typedef {ResourceFields & Record<string, unknown>} ResourceEvent
 */

/**
 * Filters for resource events. An event must match all filters. A list is comma-separated or an array, and an
 * empty list matches every event.
 *
 * @typedef {object} ResourceFilters
 * @property {string | readonly string[]} [cluster_id]
 * @property {string | readonly string[]} [project_id]
 * @property {string | readonly string[]} [workload_id]
 * @property {string | readonly string[]} [event_types]
 * @property {ResourceType | "all"} [resource_type]
 */

/**
 * - `events`: the events of one network chunk, oldest first
 * - `connected`, `heartbeat`, `gap`, `close`: the frames of the stream; a `timestamp` is in Unix seconds
 *
 * @typedef {object} ResourceEventMap
 * @property {CustomEvent<{ events: ResourceEvent[] }>} events
 * @property {CustomEvent<StateDetail>} state
 * @property {CustomEvent<{ connection_id: string, timestamp: number }>} connected
 * @property {CustomEvent<{ timestamp: number }>} heartbeat
 * @property {CustomEvent<GapDetail>} gap
 * @property {CustomEvent<{ reason: string, message: string }>} close
 */

/** @typedef {{ state: CustomEvent<StateDetail> } & Record<string, CustomEvent<any>>} StreamEventMap */

/**
 * A token, or a function that returns the current token. The client calls the function before each attempt.
 *
 * @typedef {string | (() => string | null | undefined | Promise<string | null | undefined>)} Token
 */

/**
 * @typedef {object} StreamOptions
 * @property {string} [url] The gateway's address; by default the page's own origin.
 * @property {Token} [token] A token that the gateway accepts. The client sends it in a header.
 * @property {number | string | null} [lastEventId] Resume after this event; by default, begin with the last
 *   events.
 * @property {number} [maxTries] Give up after this many failed attempts in a row; by default 10. Infinity
 *   never gives up.
 * @property {number} [silence] A connection counts as lost after this many milliseconds without a byte; by
 *   default 40,000 for the feed and for resource events, and 75,000 for rooms and casts.
 * @property {number} [initialRetryDelay] The wait after the first failed attempt, in milliseconds; by default
 *   1,000. Each further wait is twice as long.
 * @property {number} [maxRetryDelay] The longest wait between two attempts, in milliseconds; by default
 *   30,000.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {() => number} [now]
 * @property {(work: () => void, milliseconds: number) => unknown} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 * @property {() => number} [random]
 */

/**
 * @typedef {object} OwnFeedOptions
 * @property {Filters} [filters]
 * @property {number} [keep] The maximum length of `events`; by default 5,000.
 */

/** @typedef {StreamOptions & OwnFeedOptions} FeedOptions */

/**
 * The result of reading some frames.
 *
 * @typedef {object} Taken
 * @property {number} fresh The number of new events.
 * @property {End | null} ended Not null if a frame ends the stream.
 */

/**
 * Reads the frames of a stream, and knows the cursor.
 *
 * @typedef {object} Frames
 * @property {number | null} cursor A reconnect resumes after this id.
 * @property {(blocks: import("./sse.js").Block[], signal: AbortSignal) => Taken} takeBlocks Reads the blocks
 *   that one network chunk completed. A listener may stop the stream between two blocks. The signal is then
 *   aborted.
 */

/**
 * @typedef {{ url: string, token?: string, fetch: typeof globalThis.fetch, signal: AbortSignal }} PollOptions
 */

/**
 * The result of a poll.
 *
 * @typedef {object} Polled
 * @property {(replay: boolean, signal: AbortSignal) => End | null | void} deliver Delivers what the poll
 *   found. `replay` is true for the first poll. An end means that the stream is over.
 */

/**
 * Reads new rows with queries, because a proxy blocks the stream.
 *
 * @typedef {object} Polls
 * @property {(options: PollOptions) => Promise<Polled>} next
 */

/**
 * What distinguishes a stream from other streams.
 *
 * @typedef {object} Parts
 * @property {string} path
 * @property {(cursor: number | null) => Parameters<typeof import("./wire.js").address>[2]} parameters
 * @property {Frames} frames
 * @property {number} silence A connection counts as lost after this many milliseconds without a byte.
 * @property {boolean} mayAppear Whether to try again after a 404.
 * @property {unknown} pollHeartbeat The detail of the event `heartbeat` after a poll.
 * @property {number} [pollInterval] The time between two polls, in milliseconds; by default 2,000.
 * @property {(() => Polls) | null} polls Null if the stream has no query to poll.
 */

/**
 * What a profile gets from the stream that it describes.
 *
 * @template {StreamEventMap} M
 * @typedef {object} Host
 * @property {number | null} cursor The cursor at which to begin.
 * @property {() => number} now
 * @property {<K extends keyof M & string>(type: K, detail: M[K] extends CustomEvent<infer D> ? D : never) =>
 *   void} emit
 * @property {(mode: "live" | "mock", connected: boolean) => void} mode Called with true for the first frame
 *   of a connection, and with false if the mode changes later.
 */

/**
 * A kind of stream. A profile keeps no state, so several streams can share it.
 *
 * @template {StreamEventMap} M
 * @typedef {(host: Host<M>) => Parts} Profile
 */

export {};
