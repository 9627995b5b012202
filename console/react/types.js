// The types of the package. This file contains only types.

/** @typedef {import("@oasis-devhub/client").ResourceEvent} ResourceEvent */
/** @typedef {import("@oasis-devhub/client").ResourceFilters} ResourceFilters */
/** @typedef {import("@oasis-devhub/client").RoomLine} RoomLine */
/** @typedef {import("@oasis-devhub/client").GapDetail} GapDetail */
/** @typedef {import("@oasis-devhub/client").Reason} Reason */
/** @typedef {import("@oasis-devhub/client").OasisError} OasisError */

/**
 * A function that returns the current token or a promise of it. It is called before each attempt to connect.
 *
 * @typedef {() => string | null | undefined | Promise<string | null | undefined>} TokenFunction
 */

/**
 * How to reach the gateway. By default, hooks use what the `SSEProvider` above them uses.
 *
 * @typedef {object} AccessOptions
 * @property {string} [url] The gateway's address; by default the page's own origin.
 * @property {string | null | TokenFunction} [token] The token of the user. Null means that no user is signed
 *   in, so there is no connection.
 * @property {RequestCredentials} [credentials] With this option, the browser sends its cookies, and no token
 *   is needed.
 */

/**
 * @typedef {object} RetryOptions
 * @property {number} [initialRetryDelay] The first wait, in milliseconds; by default 1,000. Each further wait
 *   is twice as long.
 * @property {number} [maxRetryDelay] The longest wait, in milliseconds; by default 30,000.
 * @property {number} [maxTries] Give up after this many failed attempts in a row; by default 10.
 */

/**
 * @typedef {object} ReplayOptions
 * @property {string} [since] Begin with the events since this time (RFC 3339).
 * @property {boolean | EventCache} [persist] Keep the last events and the cursor in IndexedDB, so that a
 *   reload of the page resumes after the last event.
 * @property {number} [maxEvents] The number of events to keep; by default 100.
 */

/**
 * @typedef {object} OwnSSEOptions
 * @property {boolean} [enabled] False means that there is no connection.
 * @property {(event: ResourceEvent) => void} [onEvent] Called once for each event that arrives while the
 *   component is mounted.
 */

/** @typedef {ResourceFilters & AccessOptions & RetryOptions & ReplayOptions & OwnSSEOptions} SSEOptions */

/**
 * The state of a connection.
 *
 * @typedef {object} Status
 * @property {boolean} connected
 * @property {boolean} connecting True during the first attempt, and while the connection is lost and further
 *   attempts follow.
 * @property {Reason | null} reason Why the connection is in this state; null before the first attempt.
 * @property {OasisError | null} error The error that led to this state: `code`, `message`, `hint`, `status`.
 * @property {number} retryCount The number of attempts that have failed since the last connection.
 * @property {number | null} retryAt The time of the next attempt, in milliseconds since the epoch.
 * @property {boolean} maxReached Whether `maxTries` attempts have failed, so no further attempt follows.
 * @property {GapDetail | null} gap The last gap: events that the gateway could not deliver.
 */

/**
 * @typedef {object} Actions
 * @property {() => void} reconnect Connects again at once, and resumes after the last event.
 * @property {() => void} disconnect Closes the connection, unless other components use it.
 * @property {() => void} clear Empties the list of this component.
 */

/**
 * @typedef {object} OwnSSEResult
 * @property {readonly ResourceEvent[]} events The last events, oldest first.
 * @property {ResourceEvent | null} lastEvent The last event that arrived while the component was mounted.
 */

/** @typedef {OwnSSEResult & Status & Actions} SSEResult */

/**
 * @typedef {object} OwnRoomOptions
 * @property {boolean} [enabled] False means that there is no connection.
 * @property {number} [tail] The number of earlier lines to begin with: 0 to 1000; by default 100.
 * @property {number} [maxLines] The number of lines to keep; by default 100, or `tail` if that is more.
 */

/** @typedef {AccessOptions & RetryOptions & OwnRoomOptions} RoomLogsOptions */

/**
 * @typedef {object} OwnRoomResult
 * @property {readonly RoomLine[]} lines The last lines, oldest first.
 * @property {boolean} closed Whether the room is closed, so no further line follows.
 */

/** @typedef {OwnRoomResult & Status & Actions} RoomLogsResult */

/**
 * An event of the store.
 *
 * @typedef {object} SSEEvent
 * @property {string} id
 * @property {string} type
 * @property {string} timestamp RFC 3339.
 * @property {Record<string, any>} data All fields of the event.
 * @property {string} [clusterId]
 * @property {string} [projectId]
 * @property {string} [workloadId]
 */

/**
 * @typedef {object} SSEConnectionState
 * @property {boolean} connected
 * @property {boolean} connecting
 * @property {string | null} error
 * @property {number} retryCount
 */

/**
 * @typedef {object} EventsState
 * @property {readonly SSEEvent[]} events Oldest first.
 * @property {SSEConnectionState} connection
 * @property {(event: SSEEvent) => void} addEvent Does nothing if the store has an event with this id.
 * @property {() => void} clearEvents
 * @property {(state: Partial<SSEConnectionState>) => void} setConnectionState
 * @property {(type: string) => readonly SSEEvent[]} getEventsByType
 * @property {(resourceId: string) => readonly SSEEvent[]} getEventsByResource
 */

/**
 * @typedef {object} OwnProviderProps
 * @property {ResourceFilters} [filters]
 * @property {boolean} [debug] Whether to log the state of the connection to the console.
 * @property {(event: ResourceEvent) => void} [onEvent] Called once for each event that arrives.
 * @property {import("react").ReactNode} [children]
 */

/** @typedef {AccessOptions & RetryOptions & ReplayOptions & OwnProviderProps} SSEProviderProps */

/** @typedef {"success" | "error" | "info" | "warning"} Variant */

/**
 * @typedef {object} Description
 * @property {string} title
 * @property {string} [description]
 * @property {Variant} [variant] By default `info`.
 * @property {import("react").ReactNode} [icon] By default the icon of the variant.
 */

/**
 * The options that a `toast` function gets.
 *
 * @typedef {object} ToastOptions
 * @property {string} id A second toast with the same id replaces the first.
 * @property {string} [description]
 * @property {number} duration
 */

/**
 * The function `toast` of sonner or react-hot-toast, or one with the same form. If it has a method with the
 * name of the variant, such as `toast.success`, that method is called instead.
 *
 * @typedef {(message: string, options: any) => unknown} ToastFunction
 */

/**
 * @typedef {object} EventToastProps
 * @property {number} [duration] How long a toast stays, in milliseconds; by default 5,000. With Infinity, it
 *   stays until the user dismisses it.
 * @property {number} [max] The number of toasts that are visible at once; by default 5.
 * @property {"top-left" | "top-right" | "bottom-left" | "bottom-right"} [position] By default `bottom-right`.
 * @property {(event: SSEEvent) => boolean} [filter] Which events are shown; by default all.
 * @property {(event: SSEEvent) => Description | null} [describe] What a toast shows. Null means no toast.
 * @property {ToastFunction} [toast] Shows the toasts instead of this component.
 * @property {string} [className] The class of the container.
 */

/**
 * What a cache stores for a stream.
 *
 * @typedef {object} Saved
 * @property {any[]} rows The last events, oldest first.
 * @property {number | null} cursor
 */

/**
 * Keeps the last events and the cursors of streams. A failure must not reject.
 *
 * @typedef {object} EventCache
 * @property {string} name
 * @property {number} max The number of events to keep per stream.
 * @property {string} [user]
 * @property {(key: string) => Promise<Saved | null>} load
 * @property {(key: string, saved: Saved) => Promise<void>} save
 * @property {() => Promise<void>} clear
 */

/**
 * A stream, as a component describes it.
 *
 * @typedef {object} Source
 * @property {string} key Components whose sources have the same key share one connection.
 * @property {string} stream The key without the identity of the token.
 * @property {string} user The user of the token; empty if unknown.
 * @property {boolean} asks Whether the components have a function that returns the token.
 * @property {RequestCredentials | undefined} credentials
 * @property {import("@oasis-devhub/client").StreamOptions & { token: string }} options The token is empty if
 *   the components have a function, or if there is no token.
 * @property {boolean} replays Whether a new connection begins with stored events.
 * @property {"events" | "lines" | "updates"} rows The event of the stream that delivers its rows.
 * @property {(rows: any[], last: any) => any[]} [fold] Combines new rows with the last row before them.
 * @property {EventCache | null} cache
 * @property {() => import("@oasis-devhub/client").Profile<any>} profile
 */

export {};
