// The types of what the gateway sends and accepts, from the schemas in openapi/.
// Generated: `node .ci/openapi/check.mjs --write` writes this file.
export interface components {
    schemas: {
        /** @description Something that should name its task. */
        CanonCount: {
            /** @description How many there are. */
            total: number;
            /** @description How many of them name no task. */
            without_task: number;
        };
        /** @description How much of the work in a period names its task. */
        CanonReport: {
            /**
             * Format: date-time
             * @description When the period begins.
             */
            since: string;
            /** @description The length of the period in days. */
            days: number;
            runs: components["schemas"]["CanonCount"];
            deploys: components["schemas"]["CanonCount"];
            agents: components["schemas"]["CanonCount"];
            /** @description One entry for each day with work, the oldest first. */
            trend: {
                /**
                 * Format: date
                 * @description The day in UTC.
                 */
                day: string;
                runs: components["schemas"]["CanonCount"];
                deploys: components["schemas"]["CanonCount"];
                agents: components["schemas"]["CanonCount"];
            }[];
            /** @description The producers with the most work without a task. */
            worst: {
                /**
                 * @description The sort of work.
                 * @enum {string}
                 */
                work: "runs" | "deploys" | "agents";
                /** @description The repository, the service or the agent. */
                name: string;
                /** @description How many runs, deploys or pings there were. */
                total: number;
                /** @description How many of them name no task. */
                without_task: number;
                /**
                 * Format: int64
                 * @description The id of the newest event without a task.
                 */
                newest: number | null;
            }[];
            /** @description Whether the whole period is counted. If not, only the newest events are. */
            complete: boolean;
        };
        /**
         * Error
         * @description An error. `message` describes the problem. `hint` describes what to do. If there is nothing to do,
         *     the error has no `hint`.
         */
        Error: {
            /** @description The error. */
            error: {
                code: components["schemas"]["ErrorCode"];
                /**
                 * @description What is wrong, for people.
                 * @example parameter `limt` is unknown
                 */
                message: string;
                /**
                 * @description What to do.
                 * @example this path accepts limit, before, vtid, token
                 */
                hint?: string;
            };
        };
        /**
         * @description The code of an error, for programs. Later versions may have more codes.
         *
         *     - 400: `bad_parameter`, `bad_header`, `bad_json`, `bad_event`, `bad_line`, `bad_room`, `bad_cast`,
         *       `bad_payload`, `too_many_events`, `too_many_lines`, `body_incomplete`
         *     - 401: `token_missing`, `bad_token`, `bad_signature`; `UNAUTHORIZED` for casts
         *     - 403: `auth_not_configured`, `not_a_user`, `not_a_service`, `not_an_administrator`,
         *       `not_your_room`, `owner_not_allowed`, `rooms_not_allowed`, `resources_not_allowed`,
         *       `outside_the_claim`, `source_not_allowed`, `ingest_disabled`; `FORBIDDEN` for casts
         *     - 404: `not_found`, `no_such_room`; `NOT_FOUND` for casts
         *     - 405: `method_not_allowed`
         *     - 408: `body_timeout`
         *     - 409: `room_closed`, `key_reused`, `cast_exists`, `cast_ended`, `status_goes_back`, `old_attempt`,
         *       `run_is_set`, `run_taken`
         *     - 413: `body_too_large`
         *     - 415: `unsupported_media_type`
         *     - 429: `RATE_LIMITED`, `TOO_MANY_CONNECTIONS`
         *     - 500: `internal`
         *     - 502: `no_credentials`, `permission_denied`, `no_such_project`, `logging_refused`
         *     - 503: `overloaded`, `starting`, `database_unavailable`, `database_busy`, `late`, `outcome_unknown`,
         *       `clock`, `quota_exhausted`, `logging_unavailable`
         * @example bad_parameter
         * @example bad_token
         * @example not_your_room
         * @example UNAUTHORIZED
         * @example RATE_LIMITED
         * @example outcome_unknown
         */
        ErrorCode: string;
        /**
         * Format: date-time
         * @description A time as RFC 3339, in UTC, with milliseconds.
         * @example 2026-01-02T03:04:05.678Z
         */
        Timestamp: string;
        /**
         * Format: int64
         * @description The id of a stored event. Ids are in the order of commits, so an id is a cursor.
         * @example 4711
         */
        EventId: number;
        /**
         * @description The task, such as `DEV-CICDL-0031`. `UNSET` stands for an event without a task, and `IDLE` for an agent without a task.
         * @example DEV-CICDL-0031
         * @example UNSET
         * @example IDLE
         */
        Vtid: string;
        /**
         * @description A task, such as `DEV-CICDL-0031`.
         * @example DEV-CICDL-0031
         * @example DEV-COMMU-0042.G
         */
        TaskVtid: string;
        /**
         * @description The layer of the task, or else the layer that the producer sent, or else `UNSET`.
         * @example CICDL
         */
        Layer: string;
        /**
         * @description The service or the agent that the event comes from, in capitals.
         * @example GATEWAY-FEED
         */
        Module: string;
        /**
         * @description The kind of producer that the event came from.
         * @enum {string}
         */
        Source: "oasis.events" | "github.actions" | "gcp.deploy" | "agent.ping";
        /**
         * @description What happened. The set of kinds is open.
         * @example workflow_run
         * @example task.init
         */
        Kind: string;
        /**
         * @description The state that the event reports.
         * @enum {string}
         */
        Status: "queued" | "in_progress" | "success" | "failure" | "cancelled" | "info";
        /**
         * Format: uri
         * @description An http(s) address with more information, or null.
         * @example https://github.com/acme/shop/actions/runs/17
         */
        Link: string | null;
        /** @description An event of the ticker. All ten fields are always present, in this order. `title` and `ref` are computed. */
        Event: {
            /** @description The time of the event at its source. */
            ts: components["schemas"]["Timestamp"];
            vtid: components["schemas"]["Vtid"];
            layer: components["schemas"]["Layer"];
            module: components["schemas"]["Module"];
            source: components["schemas"]["Source"];
            kind: components["schemas"]["Kind"];
            status: components["schemas"]["Status"];
            /**
             * @description `LAYER-MODULE-ACTION`. The action is the kind in capitals, with dashes.
             * @example CICDL-CORE-TASK-INIT
             */
            title: string;
            /**
             * @description `vt/VTID-ACTION`. The action is the kind with dashes.
             * @example vt/DEV-CICDL-0031-task-init
             */
            ref: string;
            link: components["schemas"]["Link"];
        };
        /** @description A stream of Server-Sent Events. The extension `x-sse-events` of the answer has the schema of the `data` of each event. */
        EventStream: string;
        /** @description A message of the feed. A message with a `type` is about the feed itself. */
        FeedMessage: components["schemas"]["Event"] | components["schemas"]["FeedConnected"] | components["schemas"]["FeedHeartbeat"] | components["schemas"]["FeedMode"] | components["schemas"]["FeedGap"];
        /** @description The first message of the feed. */
        FeedConnected: {
            /**
             * @description The type of the message.
             * @constant
             */
            type: "connected";
            ts: components["schemas"]["Timestamp"];
            /**
             * @description `mock` while the table holds no event of the ticker.
             * @enum {string}
             */
            mode: "live" | "mock";
            /** @description The last id that the gateway has read, or the cursor of the client if it is higher. */
            head: components["schemas"]["EventId"];
        };
        /** @description A message every 15 s. */
        FeedHeartbeat: {
            /**
             * @description The type of the message.
             * @constant
             */
            type: "heartbeat";
            ts: components["schemas"]["Timestamp"];
        };
        /** @description The first event of the ticker has been stored. */
        FeedMode: {
            /**
             * @description The type of the message.
             * @constant
             */
            type: "mode";
            /**
             * @description The new mode.
             * @constant
             */
            mode: "live";
            ts: components["schemas"]["Timestamp"];
        };
        /** @description Events after `from`, up to and including `to`, are not available. */
        FeedGap: {
            /**
             * @description The type of the message.
             * @constant
             */
            type: "gap";
            from: components["schemas"]["EventId"];
            to: components["schemas"]["EventId"];
            /**
             * @description `pruned` if the events were deleted. `reset` if an older database was restored, so that the cursor is ahead of the table. The last 20 events then follow.
             * @enum {string}
             */
            reason: "pruned" | "reset";
        };
        /** @description The health of the gateway and the mode of the feed. */
        FeedHealth: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /**
             * @description The name of the feed.
             * @constant
             */
            service: "devhub-feed";
            /**
             * @description How many earlier events a new subscriber gets.
             * @constant
             */
            cache_size: 20;
            timestamp: components["schemas"]["Timestamp"];
            /**
             * @description The mode of the feed. It is `starting` until the gateway has read the table.
             * @enum {string}
             */
            mode: "starting" | "mock" | "live";
        };
        /**
         * @description The name of the service.
         * @enum {string}
         */
        ServiceName: "gateway-feed" | "webhook-ingest" | "deploy-watcher";
        /** @description The process is alive. */
        Health: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            service: components["schemas"]["ServiceName"];
            timestamp: components["schemas"]["Timestamp"];
        };
        /**
         * Readiness
         * @description Whether the service can do its job now.
         */
        Readiness: {
            /** @description True with status 200, and false with status 503. */
            ok: boolean;
            service: components["schemas"]["ServiceName"];
            /** @description Why the service cannot do its job. Only an answer with status 503 has this field. */
            reasons?: string[];
            /** @description Why `gateway-feed` polls the table. Without this field, notifications of the database wake it. */
            polls?: string;
            /** @description What is full in `gateway-feed`: the list of agents, or a private stream. The gateway can still be ready. Only clients that see the reasons get this field. */
            full?: string[];
            /**
             * Format: date-time
             * @description When the last good poll of this `deploy-watcher` ended. Null before the first one.
             */
            last_good_poll?: string | null;
            /** @description The code of the error of the last poll of this `deploy-watcher`. Null if it was good. */
            last_failure?: string | null;
        };
        /**
         * @description - `working`, `idle`: the last ping reports this state
         *     - `late`: no ping has arrived for 1.5 intervals
         *     - `lost`: no ping has arrived for 2.5 intervals, and a `ping.lost` is stored
         *     - `stopped`: the last ping reports the end
         * @enum {string}
         */
        AgentState: "working" | "idle" | "late" | "lost" | "stopped";
        /** @description One run of an agent. Names are cut to 200 bytes. */
        Agent: {
            /** @description The name of the agent. */
            agent: string;
            /** @description The purpose of the agent. */
            role: string | null;
            /** @description The id of this run of the agent. */
            instance: string;
            /** @description The host of the agent. */
            host: string | null;
            /** @description The process id of the agent. */
            pid: number | null;
            /** @description When the agent started, as the agent has sent it. */
            started: string | null;
            module: components["schemas"]["Module"];
            vtid: components["schemas"]["Vtid"];
            layer: components["schemas"]["Layer"];
            state: components["schemas"]["AgentState"];
            /**
             * @description How a stopped agent ended. Null if the agent has not stopped.
             * @enum {string|null}
             */
            status: "success" | "failure" | "cancelled" | null;
            /** @description The time of the event that began this state and task. */
            since: components["schemas"]["Timestamp"];
            /** @description When the last ping was recorded. */
            last_seen: components["schemas"]["Timestamp"];
            /** @description The agent promises that the next ping is stored within this many seconds. */
            interval: number | null;
            /** @description The id of the last ping. */
            last_id: components["schemas"]["EventId"];
            /** @description The room with the log of the agent. */
            room: string | null;
        };
        /**
         * @description An id of 1 to 128 characters of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, but not `.` or `..`.
         * @example build-2
         */
        ResourceId: string;
        /**
         * @description A text of 1 to 256 bytes, without control characters and invisible characters.
         * @example ann
         */
        Name: string;
        /**
         * @description `signed_in` for every user, or `owner` for the owner only.
         * @enum {string}
         */
        Readers: "signed_in" | "owner";
        /** @description A room. */
        Room: {
            id: components["schemas"]["ResourceId"];
            /** @description The title. */
            title: string | null;
            /** @description The id of the user who owns the room. */
            owner: string | null;
            readers: components["schemas"]["Readers"];
            /**
             * @description A closed room stays closed.
             * @enum {string}
             */
            state: "open" | "closed";
            /** @description When the room was opened. */
            createdAt: components["schemas"]["Timestamp"];
            /** @description When the fields of the room last changed. */
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description The fields to set. A missing field keeps its value, or has its default in a new room. */
        RoomChange: {
            /** @description The title. Null removes it. */
            title?: components["schemas"]["Name"] | null;
            /** @description The id of the user who owns the room. Only a service may set it. Null removes it. */
            owner?: components["schemas"]["Name"] | null;
            /** @description `owner` needs an owner. The default of a new room is `signed_in`. */
            readers?: components["schemas"]["Readers"];
        };
        /** @description A page of rooms. */
        RoomList: {
            /** @description The rooms. The room that changed last is first. */
            rooms: components["schemas"]["Room"][];
            /**
             * Format: int64
             * @description The value of `before` for the next page. Null on the last page.
             */
            next: number | null;
        };
        /**
         * @description The type of the agent that wrote the line.
         * @example code
         * @example deploy
         */
        AgentType: string;
        /**
         * @description The level of a line.
         * @enum {string}
         */
        LogLevel: "info" | "warn" | "error" | "success";
        /** @description A line to write. Null counts as missing. `agentType`, `level`, `message` and `metadata` have at most 16 KiB as JSON. */
        NewLogLine: {
            agentType: components["schemas"]["AgentType"];
            /** @description The text. It has at most 8 KiB and no NUL characters. */
            message: string;
            /**
             * @description The level.
             * @default info
             * @enum {string|null}
             */
            level?: "info" | "warn" | "error" | "success" | null;
            /**
             * Format: date-time
             * @description The time of the line. Without it, this is the time when the request arrives.
             */
            timestamp?: string | null;
            /** @description Other data. */
            metadata?: {
                [key: string]: unknown;
            } | null;
            /** @description The task of the line. Without it, `vtid` in `metadata` counts. A text that is not a VTID is ignored. */
            vtid?: string | null;
        };
        /** @description A line, as subscribers get it. The block of the line has its id. */
        LogLine: {
            timestamp: components["schemas"]["Timestamp"];
            /** @description The type of the agent that wrote the line. It is `unknown` if a row has none. */
            agentType: string;
            /** @description The level. It is one of `info`, `warn`, `error` and `success`, unless SQL wrote the row. */
            level: string;
            /** @description The text. It can contain ANSI escape sequences, so treat it as untrusted. */
            message: string;
            /** @description Other data, if the line has any. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description The task, if the line has one. */
            vtid?: components["schemas"]["TaskVtid"];
        };
        /** @description A line of a page, with its id. */
        StoredLogLine: {
            id: components["schemas"]["EventId"];
            timestamp: components["schemas"]["Timestamp"];
            /** @description The type of the agent that wrote the line. It is `unknown` if a row has none. */
            agentType: string;
            /** @description The level. It is one of `info`, `warn`, `error` and `success`, unless SQL wrote the row. */
            level: string;
            /** @description The text. It can contain ANSI escape sequences, so treat it as untrusted. */
            message: string;
            /** @description Other data, if the line has any. */
            metadata?: {
                [key: string]: unknown;
            };
            /** @description The task, if the line has one. */
            vtid?: components["schemas"]["TaskVtid"];
        };
        /** @description A page of lines. */
        LogPage: {
            roomId: components["schemas"]["ResourceId"];
            /** @description The lines, oldest first. */
            lines: components["schemas"]["StoredLogLine"][];
            /**
             * Format: int64
             * @description The value of `before` for the next page, or of `after` if this request had `after`. Null if a request without both found no row.
             */
            cursor: number | null;
            /** @description Whether there may be more lines in the direction of the page. */
            more: boolean;
        };
        /** @description The data of the event `connected` of a room. */
        RoomConnected: {
            roomId: components["schemas"]["ResourceId"];
            timestamp: components["schemas"]["Timestamp"];
        };
        /** @description The data of the event `heartbeat` of a room. */
        RoomHeartbeat: {
            timestamp: components["schemas"]["Timestamp"];
        };
        /** @description Rows after `from`, up to and including `to`, may be missing. */
        Gap: {
            from: components["schemas"]["EventId"];
            to: components["schemas"]["EventId"];
            /**
             * @description `pruned` if rows were deleted. `reset` if an older database was restored.
             * @enum {string}
             */
            reason: "pruned" | "reset";
        };
        /** @description The data of the event `close` of a room. */
        RoomClose: {
            /** @description Why the stream ends, for people. */
            message: string;
            /**
             * @description - `closed`: the room is closed, and the subscriber has every line up to the closing
             *     - `token_expired`: the credential has expired
             *     - `revoked`: the credential was revoked, or the viewer may no longer read the room
             *     - `refused`: the client connected while the database was not available, and may not read
             *     - `shutdown`: the gateway stops, or cannot check who may read
             * @enum {string}
             */
            reason: "closed" | "token_expired" | "revoked" | "refused" | "shutdown";
        };
        /** @description The request is stored. */
        Accepted: {
            /** @description The number of lines or events in the request. */
            accepted: number;
            /**
             * Format: int64
             * @description The id of the last line or event. Null if an earlier request stored it, and it has been deleted since.
             */
            lastId: number | null;
        };
        /**
         * @description What happened. It is also the name of the event in the stream.
         * @enum {string}
         */
        ResourceEventType: "workload_status_update" | "addon_status_update" | "project_status_update" | "cluster_status_update" | "build_complete" | "build_failed" | "error_report";
        /** @description An event is flat, so every value is a text, a number, a boolean or null. */
        ResourceScalar: string | number | boolean | null;
        /** @description The fields that events of every type may have. Other fields are stored and sent unchanged. All fields together have at most 16 KiB. Null counts as absent. */
        ResourceFields: {
            /** @description Unix seconds, which may have a fraction. Without it, this is the time of the request. */
            timestamp?: number | null;
            workload_id?: components["schemas"]["OptionalResourceId"];
            project_id?: components["schemas"]["OptionalResourceId"];
            cluster_id?: components["schemas"]["OptionalResourceId"];
            addon_id?: components["schemas"]["OptionalResourceId"];
            build_id?: components["schemas"]["OptionalResourceId"];
            resource_id?: components["schemas"]["OptionalResourceId"];
            /**
             * @description The type of the resource. It follows from `event_type`, except in an error report.
             * @enum {string|null}
             */
            resource_type?: "cluster" | "project" | "workload" | "build" | "addon" | null;
            /** @description A text for people. */
            message?: string | null;
            /** @description Why a build failed. */
            error?: string | null;
            /** @description The type of an error. */
            error_type?: string | null;
            /** @description The image that a build made. */
            image_digest?: string | null;
            /** @description The version of Kubernetes of a cluster. */
            kubernetes_version?: string | null;
            /** @description The number of replicas that a workload should have. */
            replicas?: number | null;
            /** @description The number of replicas that are available. */
            available_replicas?: number | null;
            /** @description The number of nodes of a cluster. */
            node_count?: number | null;
            /** @description The task of the event. A text that is not a VTID sets no task. */
            vtid?: string | null;
            /** @description The module of the event, if it is a name of a module. */
            service?: string | null | number | boolean;
            /** @description An http(s) address, to which the page of the task links. It is not checked. */
            link?: string | null | number | boolean;
        } & {
            [key: string]: components["schemas"]["ResourceScalar"];
        };
        /** @description The id of a resource. */
        OptionalResourceId: string | null;
        /** @description A workload has a new status. */
        WorkloadStatusUpdate: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "workload_status_update";
            /**
             * @description The type of the resource. The gateway adds it.
             * @enum {string|null}
             */
            resource_type?: "workload" | null;
            workload_id: components["schemas"]["ResourceId"];
            status: components["schemas"]["WorkloadStatus"];
        };
        /**
         * @description The status of a workload or an add-on.
         * @enum {string}
         */
        WorkloadStatus: "Pending" | "Building" | "Deploying" | "Running" | "Degraded" | "Failed";
        /** @description An add-on has a new status. */
        AddonStatusUpdate: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "addon_status_update";
            /**
             * @description The type of the resource. The gateway adds it.
             * @enum {string|null}
             */
            resource_type?: "addon" | null;
            addon_id: components["schemas"]["ResourceId"];
            status: components["schemas"]["WorkloadStatus"];
        };
        /** @description A project has a new status. */
        ProjectStatusUpdate: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "project_status_update";
            /**
             * @description The type of the resource. The gateway adds it.
             * @enum {string|null}
             */
            resource_type?: "project" | null;
            project_id: components["schemas"]["ResourceId"];
            /**
             * @description The status of the project.
             * @enum {string}
             */
            status: "Pending" | "Creating" | "Ready" | "Deleting" | "Error";
        };
        /** @description A cluster has a new status. */
        ClusterStatusUpdate: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "cluster_status_update";
            /**
             * @description The type of the resource. The gateway adds it.
             * @enum {string|null}
             */
            resource_type?: "cluster" | null;
            cluster_id: components["schemas"]["ResourceId"];
            /**
             * @description The status of the cluster.
             * @enum {string}
             */
            status: "healthy" | "unhealthy";
        };
        /** @description A build succeeded. */
        BuildComplete: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "build_complete";
            /**
             * @description The type of the resource. The gateway adds it.
             * @enum {string|null}
             */
            resource_type?: "build" | null;
            build_id: components["schemas"]["ResourceId"];
            workload_id: components["schemas"]["ResourceId"];
        };
        /** @description A build failed. */
        BuildFailed: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "build_failed";
            /**
             * @description The type of the resource. The gateway adds it.
             * @enum {string|null}
             */
            resource_type?: "build" | null;
            build_id: components["schemas"]["ResourceId"];
            workload_id: components["schemas"]["ResourceId"];
            /** @description Why the build failed. */
            error: string;
        };
        /** @description Something else went wrong. */
        ErrorReport: components["schemas"]["ResourceFields"] & {
            /**
             * @description The type of the event.
             * @constant
             */
            event_type: "error_report";
            /** @description The type of the error. */
            error_type: string;
            /** @description A text for people. */
            message: string;
        };
        /** @description A resource event to write. */
        NewResourceEvent: components["schemas"]["WorkloadStatusUpdate"] | components["schemas"]["AddonStatusUpdate"] | components["schemas"]["ProjectStatusUpdate"] | components["schemas"]["ClusterStatusUpdate"] | components["schemas"]["BuildComplete"] | components["schemas"]["BuildFailed"] | components["schemas"]["ErrorReport"];
        /** @description Every stored event has a time. */
        SentAt: {
            timestamp: components["schemas"]["UnixSeconds"];
        };
        /** @description A workload has a new status. */
        SentWorkloadStatusUpdate: components["schemas"]["WorkloadStatusUpdate"] & components["schemas"]["SentAt"];
        /** @description An add-on has a new status. */
        SentAddonStatusUpdate: components["schemas"]["AddonStatusUpdate"] & components["schemas"]["SentAt"];
        /** @description A project has a new status. */
        SentProjectStatusUpdate: components["schemas"]["ProjectStatusUpdate"] & components["schemas"]["SentAt"];
        /** @description A cluster has a new status. */
        SentClusterStatusUpdate: components["schemas"]["ClusterStatusUpdate"] & components["schemas"]["SentAt"];
        /** @description A build succeeded. */
        SentBuildComplete: components["schemas"]["BuildComplete"] & components["schemas"]["SentAt"];
        /** @description A build failed. */
        SentBuildFailed: components["schemas"]["BuildFailed"] & components["schemas"]["SentAt"];
        /** @description Something else went wrong. */
        SentErrorReport: components["schemas"]["ErrorReport"] & components["schemas"]["SentAt"];
        /** @description A resource event, as readers get it. */
        ResourceEvent: components["schemas"]["SentWorkloadStatusUpdate"] | components["schemas"]["SentAddonStatusUpdate"] | components["schemas"]["SentProjectStatusUpdate"] | components["schemas"]["SentClusterStatusUpdate"] | components["schemas"]["SentBuildComplete"] | components["schemas"]["SentBuildFailed"] | components["schemas"]["SentErrorReport"];
        /** @description A resource event of a list, with its id. */
        ListedResourceEvent: components["schemas"]["ResourceEvent"] & {
            id: components["schemas"]["EventId"];
        };
        /** @description The last resource events of a task. */
        ResourceEventList: {
            /** @description The events, newest first. */
            events: components["schemas"]["ListedResourceEvent"][];
        };
        /** @description The data of the event `connected` of the stream of resource events. */
        ResourceConnected: {
            /**
             * @description The name of the event.
             * @constant
             */
            event_type: "connected";
            timestamp: components["schemas"]["UnixSeconds"];
            /** @description A random id, which tells connections apart in logs. */
            connection_id: string;
        };
        /** @description The data of the event `heartbeat` of the stream of resource events. */
        ResourceHeartbeat: {
            /**
             * @description The name of the event.
             * @constant
             */
            event_type: "heartbeat";
            timestamp: components["schemas"]["UnixSeconds"];
        };
        /** @description Events after `from`, up to and including `to`, may be missing. */
        ResourceGap: {
            /**
             * @description The name of the event.
             * @constant
             */
            event_type: "gap";
            timestamp: components["schemas"]["UnixSeconds"];
            from: components["schemas"]["EventId"];
            to: components["schemas"]["EventId"];
            /**
             * @description `pruned` if events were deleted. `reset` if an older database was restored. No earlier events follow.
             * @enum {string}
             */
            reason: "pruned" | "reset";
        };
        /** @description The data of the event `close` of the stream of resource events. */
        ResourceClose: {
            /**
             * @description The name of the event.
             * @constant
             */
            event_type: "close";
            timestamp: components["schemas"]["UnixSeconds"];
            /** @description Why the stream ends, for people. */
            message: string;
            /**
             * @description Why the stream ends, for programs. The reasons are those of a room.
             * @enum {string}
             */
            reason: "token_expired" | "revoked" | "refused" | "shutdown";
        };
        /**
         * @description A time in Unix seconds. The number has a fraction if the time has milliseconds.
         * @example 1767323045.678
         */
        UnixSeconds: number;
        /**
         * @description The status of a cast. It never goes back.
         * @enum {string}
         */
        CastStatus: "queued" | "running" | "succeeded" | "failed";
        /** @description What the cast does. */
        Spell: {
            name: components["schemas"]["Name"];
        } & {
            [key: string]: unknown;
        };
        /** @description A cast. A field that the cast does not have is null. */
        Cast: {
            id: components["schemas"]["ResourceId"];
            status: components["schemas"]["CastStatus"];
            /** @description The number of the attempt. */
            attempt: number;
            /** @description The id of the user who owns the cast. */
            owner: string | null;
            /** @description What the cast does. The object has a `name`, unless SQL wrote it. */
            spell: {
                [key: string]: unknown;
            } | null;
            /** @description The GitHub repository whose workflow does the work. */
            repository: string | null;
            /** @description The id of the workflow run that does the work. */
            runId: string | null;
            /** @description The task of the cast. */
            vtid: string | null;
            startedAt: components["schemas"]["OptionalTimestamp"];
            finishedAt: components["schemas"]["OptionalTimestamp"];
            /**
             * Format: int64
             * @description The milliseconds from `startedAt` to `finishedAt`. If one of them is missing, this is the reported duration.
             */
            duration: number | null;
            /**
             * Format: int64
             * @description What the cast cost, in hundredths of a currency.
             */
            costCents: number | null;
            /** @description The http(s) address of the result. */
            artifactUrl: string | null;
            /** @description Why the cast failed. */
            errorMessage: string | null;
            /** @description When the cast was opened. */
            createdAt: components["schemas"]["Timestamp"];
            /** @description When the cast last changed. */
            updatedAt: components["schemas"]["Timestamp"];
        };
        /**
         * Format: date-time
         * @description A time as RFC 3339, in UTC, with milliseconds; or null.
         * @example 2026-01-02T03:04:05.678Z
         */
        OptionalTimestamp: string | null;
        /** @description A cast to open. Null counts as missing. All fields together have at most 16 KiB. */
        NewCast: {
            /** @description The id. It is not `events`. Without it, the gateway makes one. */
            id?: string | null;
            /** @description The id of the user who owns the cast. */
            owner: components["schemas"]["Name"];
            /** @description What the cast does. A text becomes the `name` of an object. */
            spell?: components["schemas"]["Name"] | components["schemas"]["Spell"] | null;
            /** @description What the cast costs, in hundredths of a currency. */
            costCents?: number | null;
            /** @description The GitHub repository whose workflow does the work. */
            repository?: string | null;
            runId?: components["schemas"]["RunId"];
            /** @description The task of the cast, in upper or lower case. It must be a VTID. */
            vtid?: string | null;
        };
        /**
         * @description The id of a workflow run of GitHub, as a number or as its digits. It is set once.
         * @example 17
         */
        RunId: string | number | null;
        /** @description A change of a cast. Null counts as missing. */
        CastChange: {
            /**
             * @description The status. `completed` and `success` mean `succeeded`, and `cancelled` means `failed`.
             * @enum {string|null}
             */
            status?: "queued" | "running" | "succeeded" | "failed" | "completed" | "success" | "cancelled" | null;
            /**
             * Format: date-time
             * @description When the cast ended. Without it, an end has the time when the request arrives.
             */
            finishedAt?: string | null;
            /** @description How long the work took, in milliseconds. */
            duration?: number | null;
            /** @description The http(s) address of the result. It has at most 2,048 bytes. */
            artifactUrl?: string | null;
            /** @description Why the cast failed. It has at most 8 KiB. */
            errorMessage?: string | null;
            runId?: components["schemas"]["RunId"];
            /** @description The attempt of the change. Without it, this is the current attempt. */
            runAttempt?: number | null;
            /** @description How far the work has come. */
            progress?: number | null;
            /** @description What the work does now. It has at most 8 KiB. */
            message?: string | null;
        };
        /** @description A page of casts. */
        CastList: {
            /** @description The casts, newest first. */
            casts: components["schemas"]["Cast"][];
            /** @description The place of the page. */
            pagination: {
                /** @description The number of this page. */
                page: number;
                /** @description The number of casts of a page. */
                limit: number;
                /** @description The number of all casts of the viewer. */
                total: number;
                /** @description The number of all pages. */
                totalPages: number;
            };
        };
        /** @description The data of the event `status`. The first one has all fields. A later one has `status` and the fields that have changed, so a client merges it into its copy. */
        CastStatusData: {
            castId: components["schemas"]["ResourceId"];
            status: components["schemas"]["CastStatus"];
            startedAt?: components["schemas"]["OptionalTimestamp"];
            finishedAt?: components["schemas"]["OptionalTimestamp"];
            /** @description The duration in milliseconds. */
            duration?: number | null;
            /** @description What the cast cost, in hundredths of a currency. */
            costCents?: number | null;
            /** @description The http(s) address of the result. */
            artifactUrl?: string | null;
            /** @description Why the cast failed. */
            errorMessage?: string | null;
            timestamp: components["schemas"]["Timestamp"];
        };
        /** @description The data of the event `progress`. Reports that arrive together are one event. */
        CastProgressData: {
            castId: components["schemas"]["ResourceId"];
            /** @description How far the work has come, from 0 to 100. */
            progress?: number;
            /** @description What the work does now. */
            message?: string;
            timestamp: components["schemas"]["Timestamp"];
        };
        /** @description The data of the event `complete`. The `status` is `failed` if the cast has failed, which happens if it has ended before the client connects, and in the stream of all casts. */
        CastCompleteData: {
            castId: components["schemas"]["ResourceId"];
            /**
             * @description How the cast ended.
             * @enum {string}
             */
            status: "succeeded" | "failed";
            finishedAt: components["schemas"]["OptionalTimestamp"];
            /** @description The duration in milliseconds. */
            duration: number | null;
            /** @description What the cast cost, in hundredths of a currency. */
            costCents: number | null;
            /** @description The http(s) address of the result. */
            artifactUrl: string | null;
            timestamp: components["schemas"]["Timestamp"];
        };
        /** @description The data of the event `error`. Only the stream of one cast has this event, if the cast fails while the client is connected. */
        CastErrorData: {
            castId: components["schemas"]["ResourceId"];
            /**
             * @description The cast has failed.
             * @constant
             */
            status: "failed";
            /** @description Why the cast failed. */
            errorMessage: string | null;
            finishedAt: components["schemas"]["OptionalTimestamp"];
            timestamp: components["schemas"]["Timestamp"];
        };
        /** @description The data of the event `timeout`. */
        CastTimeout: {
            /** @description Why the stream ends, for people. */
            message: string;
        };
        /** @description Changes of casts after `from`, up to and including `to`, may be missing. */
        OwnCastsGap: {
            from: components["schemas"]["EventId"];
            to: components["schemas"]["EventId"];
            /**
             * @description `reset` if an older database was restored. `too_many` if the viewer has more casts than the stream sends at once.
             * @enum {string}
             */
            reason: "reset" | "too_many";
        };
        /** @description The data of the event `close` of the stream of one cast. */
        CastClose: {
            /** @description Why the stream ends, for people. */
            message: string;
            /**
             * @description - `terminal_state`: the cast has ended
             *     - `timeout`: the connection has reached its time limit
             *     - `token_expired`: the credential has expired
             *     - `revoked`: the credential was revoked, or the cast no longer belongs to the viewer
             *     - `too_many_connections`: the viewer has too many streams open
             *     - `refused`: the client connected while the database was not available, and may not read
             *     - `shutdown`: the gateway stops, or cannot check who may read
             * @enum {string}
             */
            reason: "terminal_state" | "timeout" | "token_expired" | "revoked" | "too_many_connections" | "refused" | "shutdown";
        };
        /** @description The data of the event `close` of the stream of all casts of a viewer. */
        OwnCastsClose: {
            /** @description Why the stream ends, for people. */
            message: string;
            /**
             * @description - `timeout`: the connection has reached its time limit
             *     - `token_expired`: the credential has expired
             *     - `revoked`: the credential was revoked
             *     - `too_many_connections`: the viewer has too many streams open
             *     - `refused`: the client connected while the database was not available, and was refused later
             *     - `shutdown`: the gateway stops
             * @enum {string}
             */
            reason: "timeout" | "token_expired" | "revoked" | "too_many_connections" | "refused" | "shutdown";
        };
        /**
         * @description A stream has begun, a stream has ended, or a request was refused.
         * @enum {string}
         */
        AuditAction: "cast.sse_connection_opened" | "cast.sse_connection_closed" | "cast.sse_connection_failed";
        /** @description A row of the audit log. Its fields depend on the action. No row contains a query, a header other than the user agent, or a token. */
        AuditRow: {
            id: components["schemas"]["EventId"];
            /** @description What happened, such as `cast.sse_connection_opened`. */
            action: string;
            createdAt: components["schemas"]["Timestamp"];
            /** @description The viewer, if it is known. */
            userId?: string;
            /** @description The cast. The stream of all casts has none. */
            castId?: string;
            /** @description The address of the client. */
            ip?: string;
            /** @description The user agent of the client, cut to 256 bytes. */
            userAgent?: string;
            /** @description Why the stream ended: the reason of the event `close`, `client_disconnect`, or `lost` if its gateway died. */
            reason?: string;
            /** @description How long the stream was open, in milliseconds. A lost stream has no duration. */
            duration?: number;
            /** @description The number of events that were sent. A lost stream has no number. */
            messages?: number;
            /** @description The path of a request that was refused. */
            path?: string;
            /** @description The status of the refusal. */
            status?: number;
            /** @description The code of the refusal. */
            code?: string;
            /** @description The number of refusals that this row counts, because they have no row of their own. */
            count?: number;
        } & {
            [key: string]: unknown;
        };
        /** @description A page of the audit log. */
        AuditPage: {
            /** @description The rows, newest first. */
            rows: components["schemas"]["AuditRow"][];
            /**
             * Format: int64
             * @description The value of `before` for the next page. Null on the last page.
             */
            next: number | null;
        };
        /** @description The number of streams, and of their users. */
        StreamCount: {
            /** @description The number of streams. */
            streams: number;
            /** @description The number of users. */
            users: number;
        };
        /** @description The streams of casts of all users in a period. */
        AuditSummary: {
            /** @description When the period began. */
            since: components["schemas"]["Timestamp"];
            /** @description The streams that are open now, over all gateways. */
            open: components["schemas"]["StreamCount"];
            /** @description The streams that have begun. */
            opened: components["schemas"]["StreamCount"];
            /** @description The number of requests that were refused. */
            refused: number;
            /** @description The durations of the streams that have ended, in milliseconds. */
            duration: {
                /** @description The median. Null if no stream has ended. */
                median: number | null;
                /** @description The average. Null if no stream has ended. */
                average: number | null;
            };
            /** @description Why streams have ended. The most frequent reason is first. */
            reasons: {
                /** @description The reason. */
                reason: string;
                /** @description The number of streams. */
                streams: number;
            }[];
            /** @description Whether the whole period is counted. If not, only the newest rows are. */
            complete: boolean;
        };
        /**
         * @description The HTML document of the Live Console.
         * @example <!doctype html>
         */
        Document: string;
        /** @description The payload of a delivery, as GitHub documents it. */
        GithubPayload: {
            [key: string]: unknown;
        };
        /** @description The event is durable. */
        StoredDelivery: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /**
             * Format: int64
             * @description The id of the event.
             */
            id: number | null;
            vtid: components["schemas"]["Vtid"];
            /** @description The title of the event. */
            title: string;
        };
        /** @description The event is already stored. */
        DuplicateDelivery: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /**
             * @description Always true.
             * @constant
             */
            duplicate: true;
        };
        /** @description The feed does not show this event. */
        IgnoredDelivery: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /** @description The name of the event. */
            ignored: string;
        };
        /** @description What a poll has read and stored. */
        PollResult: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /** @description The number of new entries that were read. */
            seen: number;
            /** @description The number of new events that were stored, without resource events. */
            published: number;
            /** @description The number of entries that could not be read, and are kept for later. */
            unread: number;
            /** @description The number of entries whose outcome waits for its request. Missing if there are none. */
            held?: number;
            cursor: components["schemas"]["OptionalTimestamp"];
            /** @description Whether the poll reached its limits before the end of the log. */
            more: boolean;
        };
        /** @description Another poll is under way. */
        SkippedPoll: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /** @description Why the poll was skipped. */
            skipped: string;
        };
        /** @description A stored event. The first ten fields are those of the ticker, in this order. `title` and `ref` are computed. */
        StoredEvent: {
            /** @description The time of the event at its source. */
            ts: components["schemas"]["Timestamp"];
            vtid: components["schemas"]["Vtid"];
            layer: components["schemas"]["Layer"];
            module: components["schemas"]["Module"];
            source: components["schemas"]["Source"];
            kind: components["schemas"]["Kind"];
            status: components["schemas"]["Status"];
            /**
             * @description `LAYER-MODULE-ACTION`. The action is the kind in capitals, with dashes.
             * @example CICDL-CORE-TASK-INIT
             */
            title: string;
            /**
             * @description `vt/VTID-ACTION`. The action is the kind with dashes.
             * @example vt/DEV-CICDL-0031-task-init
             */
            ref: string;
            link: components["schemas"]["Link"];
            id: components["schemas"]["EventId"];
            /** @description When the event was stored. */
            recorded_at: components["schemas"]["Timestamp"];
            /**
             * @description The stream that the event belongs to. The ticker is the stream `devhub`.
             * @constant
             */
            channel: "devhub";
            /** @description Details that have no field. It has at most 16 KiB. Numbers keep all their digits. */
            meta: {
                [key: string]: unknown;
            };
        };
        /**
         * @description A word for the status of an event, in upper or lower case.
         *
         *     | word | status |
         *     |---|---|
         *     | `queued`, `in_progress`, `success`, `failure`, `cancelled`, `info` | the same |
         *     | `start`, `started`, `running` | `in_progress` |
         *     | `succeeded`, `done`, `completed`, `ok` | `success` |
         *     | `fail`, `failed`, `error`, `blocked` | `failure` |
         *     | `warning`, `warn` | `info` |
         *     | any other word | `info`, and `meta.status_given` keeps the word |
         * @example running
         * @example succeeded
         * @example failed
         * @example warning
         */
        StatusWord: unknown;
        /** @description One event or an array of events. The events of an array may have different forms. */
        Events: components["schemas"]["IngestedEvent"] | components["schemas"]["IngestedEvent"][];
        /** @description An event in one of four forms. The first form whose fields are present applies. */
        IngestedEvent: components["schemas"]["CloudEvent"] | components["schemas"]["StrictEvent"] | components["schemas"]["AgentsEvent"] | components["schemas"]["TelemetryEvent"];
        /** @description An event of the strict form. Null counts as missing. An unknown field is refused. The event has at most 128 KiB. */
        StrictEvent: {
            source: components["schemas"]["Source"];
            /** @description What happened. It is not `ping.lost` or `ping.back` of the source `agent.ping`. */
            kind: components["schemas"]["Kind"];
            status: components["schemas"]["Status"];
            /** @description The task, in upper or lower case, or `UNSET`, or `IDLE`. Any other text becomes `meta.vtid_given`. */
            vtid?: string | null;
            /** @description The layer, if the VTID has none. */
            layer?: string | null;
            /**
             * @description The service that the event is about.
             * @default CORE
             */
            module?: string | null;
            /** @description An http(s) address without a user name and a password. It has at most 2,048 bytes after the gateway has percent-encoded it. */
            link?: string | null;
            /**
             * Format: date-time
             * @description The time of the event. Without it, this is the time when the request arrives.
             */
            ts?: string | null;
            /** @description Details that have no field. It has at most 16 KiB and no NUL characters. */
            meta?: {
                [key: string]: unknown;
            } | null;
            /** @description Events with the same key are stored once. It has no control characters. The keys of a limited token are its own, and may be shorter, because they contain the name of the token. */
            dedup_key?: string | null;
            /** @description It is ignored, because the gateway computes it. */
            title?: unknown;
            /** @description It is ignored, because the gateway computes it. */
            ref?: unknown;
        };
        /**
         * @description An event of the agents' form. No value causes the event to be refused: a value that does not fit is
         *     left out or replaced, and `meta` keeps it. The event has at most 1 MiB.
         *
         *     The event `heartbeat` with `metadata.agent_role` or `metadata.agent_crew` is stored as a ping of an
         *     agent: source `agent.ping`, kind `ping`, status `in_progress` with a task and `info` without one.
         */
        AgentsEvent: {
            /** @description The module. For the service `gcp`, `metadata.service_name` is the module. */
            service: unknown;
            /** @description The kind. It becomes lower case, and other characters become `_`. */
            event: unknown;
            /** @description The status. Without it, the status is `info`. */
            status?: components["schemas"]["StatusWord"];
            /** @description The task, unless `metadata.vtid` names one. */
            vtid?: unknown;
            /** @description An object. `vtid`, `link`, `source` and `timestamp` set the fields of the event, and `source` must be one of the four sources. The rest becomes `meta`. */
            metadata?: unknown;
            /** @description The time of the event, as RFC 3339. */
            timestamp?: unknown;
            /** @description It becomes `meta.tenant`. */
            tenant?: unknown;
            /** @description It becomes `meta.notes`. */
            notes?: unknown;
            /** @description It becomes `meta.git_sha`. */
            git_sha?: unknown;
            /** @description It becomes `meta.rid`. */
            rid?: unknown;
        } & {
            [key: string]: unknown;
        };
        /**
         * @description An event of the telemetry form. It has one of `type`, `event_type` and `topic`. No value causes the
         *     event to be refused: a value that does not fit is left out or replaced, and `meta` keeps it. The
         *     event has at most 1 MiB. All other fields become `meta`. If two fields have the same name in `meta`,
         *     the field of the payload gets the prefix `payload.`.
         */
        TelemetryEvent: ({
            /** @description The kind. It becomes lower case, and other characters become `_`. */
            type?: unknown;
            /** @description Another name of `type`. */
            event_type?: unknown;
            /** @description Another name of `type`. */
            topic?: unknown;
            /** @description The status. Without it, the last word of the type counts, such as `success` in `deploy.gateway.success`. */
            status?: components["schemas"]["StatusWord"];
            /** @description One of the four sources. Any other value becomes `meta.source_given`. */
            source?: unknown;
            /** @description The module. Without it, `service` of the payload counts. */
            service?: unknown;
            /** @description The task. Without it, `vtid` of the payload counts. */
            vtid?: unknown;
            /** @description An http(s) address. Without it, `link` of the payload counts. */
            link?: unknown;
            /** @description It becomes `meta.message`. */
            message?: unknown;
            /** @description An object, whose fields become `meta`. */
            payload?: unknown;
            /** @description An object, whose fields become `meta`. */
            details?: unknown;
            /** @description An object, whose fields become `meta`. */
            data?: unknown;
            /** @description An object, whose fields become `meta`. */
            metadata?: unknown;
            /** @description The time of the event, as RFC 3339. */
            timestamp?: unknown;
            /** @description Another name of `timestamp`. */
            ts?: unknown;
            /** @description Another name of `timestamp`. */
            created_at?: unknown;
        } & {
            [key: string]: unknown;
        }) & ({
            /** @description It is not null. */
            type: unknown;
        } | {
            /** @description It is not null. */
            event_type: unknown;
        } | {
            /** @description It is not null. */
            topic: unknown;
        });
        /** @description A CloudEvent 1.0 in structured mode. An event with the same source and id as an earlier event is a duplicate. The source of the stored event is `oasis.events`. Extension attributes have names of lower-case letters and digits, and become `meta.ce_…`. The event has at most 128 KiB. If the type is one of CDEvents (`dev.cdevents.…`), the subject becomes the kind, and the predicate and the outcome become the status. */
        CloudEvent: {
            /**
             * @description The version of CloudEvents.
             * @constant
             */
            specversion: "1.0";
            /** @description The id of the event. It becomes `meta.ce_id`. */
            id: string;
            /** @description The source of the event. It becomes `meta.ce_source`. */
            source: string;
            /** @description The kind. It becomes lower case, and other characters become `_`. `meta.ce_type` keeps the text. */
            type: string;
            /**
             * Format: date-time
             * @description The time of the event. Without it, this is the time when the request arrives.
             */
            time?: string | null;
            /** @description It becomes `meta.ce_subject`. */
            subject?: unknown;
            /** @description It becomes `meta.ce_dataschema`. */
            dataschema?: unknown;
            /** @description It becomes `meta.ce_datacontenttype`. */
            datacontenttype?: unknown;
            /** @description The data. The fields of an object that `CloudEventData` names set the fields of the event. The rest becomes `meta.data`. */
            data?: components["schemas"]["CloudEventData"] | unknown;
            /** @description Binary data. It becomes `meta.data.base64`. An event has either `data` or `data_base64`. */
            data_base64?: string | null;
        } & {
            [key: string]: unknown;
        };
        /** @description The fields of the data of a CloudEvent that set fields of the event. Null counts as missing. */
        CloudEventData: {
            /** @description The task. A text that is not a VTID becomes `meta.vtid_given`. */
            vtid?: string | null;
            /** @description The layer, if the VTID has none. */
            layer?: string | null;
            /** @description The module. Without it, the module is `CORE`. */
            module?: string | null;
            /** @description The status. Without it, the status is `info`. */
            status?: components["schemas"]["StatusWord"];
            /** @description An http(s) address without a user name and a password. */
            link?: string | null;
        } & {
            [key: string]: unknown;
        };
        /** @description The events are durable. */
        Stored: {
            /**
             * @description Always true.
             * @constant
             */
            ok: true;
            /** @description The id of the event, if the request had one event. */
            id?: components["schemas"]["EventId"];
            /** @description The same id as a text. */
            event_id?: string;
            /** @description The `ts` of the stored event, if the request had one event. */
            ts?: components["schemas"]["Timestamp"];
            /** @description The id of each event, in the order of the request. Null for a duplicate of an event that has been deleted. */
            ids: (number | null)[];
            /** @description How many of the events had already been stored. */
            duplicates: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type CanonCount = components['schemas']['CanonCount'];
export type CanonReport = components['schemas']['CanonReport'];
export type Error = components['schemas']['Error'];
export type ErrorCode = components['schemas']['ErrorCode'];
export type Timestamp = components['schemas']['Timestamp'];
export type EventId = components['schemas']['EventId'];
export type Vtid = components['schemas']['Vtid'];
export type TaskVtid = components['schemas']['TaskVtid'];
export type Layer = components['schemas']['Layer'];
export type Module = components['schemas']['Module'];
export type Source = components['schemas']['Source'];
export type Kind = components['schemas']['Kind'];
export type Status = components['schemas']['Status'];
export type Link = components['schemas']['Link'];
export type Event = components['schemas']['Event'];
export type EventStream = components['schemas']['EventStream'];
export type FeedMessage = components['schemas']['FeedMessage'];
export type FeedConnected = components['schemas']['FeedConnected'];
export type FeedHeartbeat = components['schemas']['FeedHeartbeat'];
export type FeedMode = components['schemas']['FeedMode'];
export type FeedGap = components['schemas']['FeedGap'];
export type FeedHealth = components['schemas']['FeedHealth'];
export type ServiceName = components['schemas']['ServiceName'];
export type Health = components['schemas']['Health'];
export type Readiness = components['schemas']['Readiness'];
export type AgentState = components['schemas']['AgentState'];
export type Agent = components['schemas']['Agent'];
export type ResourceId = components['schemas']['ResourceId'];
export type Name = components['schemas']['Name'];
export type Readers = components['schemas']['Readers'];
export type Room = components['schemas']['Room'];
export type RoomChange = components['schemas']['RoomChange'];
export type RoomList = components['schemas']['RoomList'];
export type AgentType = components['schemas']['AgentType'];
export type LogLevel = components['schemas']['LogLevel'];
export type NewLogLine = components['schemas']['NewLogLine'];
export type LogLine = components['schemas']['LogLine'];
export type StoredLogLine = components['schemas']['StoredLogLine'];
export type LogPage = components['schemas']['LogPage'];
export type RoomConnected = components['schemas']['RoomConnected'];
export type RoomHeartbeat = components['schemas']['RoomHeartbeat'];
export type Gap = components['schemas']['Gap'];
export type RoomClose = components['schemas']['RoomClose'];
export type Accepted = components['schemas']['Accepted'];
export type ResourceEventType = components['schemas']['ResourceEventType'];
export type ResourceScalar = components['schemas']['ResourceScalar'];
export type ResourceFields = components['schemas']['ResourceFields'];
export type OptionalResourceId = components['schemas']['OptionalResourceId'];
export type WorkloadStatusUpdate = components['schemas']['WorkloadStatusUpdate'];
export type WorkloadStatus = components['schemas']['WorkloadStatus'];
export type AddonStatusUpdate = components['schemas']['AddonStatusUpdate'];
export type ProjectStatusUpdate = components['schemas']['ProjectStatusUpdate'];
export type ClusterStatusUpdate = components['schemas']['ClusterStatusUpdate'];
export type BuildComplete = components['schemas']['BuildComplete'];
export type BuildFailed = components['schemas']['BuildFailed'];
export type ErrorReport = components['schemas']['ErrorReport'];
export type NewResourceEvent = components['schemas']['NewResourceEvent'];
export type SentAt = components['schemas']['SentAt'];
export type SentWorkloadStatusUpdate = components['schemas']['SentWorkloadStatusUpdate'];
export type SentAddonStatusUpdate = components['schemas']['SentAddonStatusUpdate'];
export type SentProjectStatusUpdate = components['schemas']['SentProjectStatusUpdate'];
export type SentClusterStatusUpdate = components['schemas']['SentClusterStatusUpdate'];
export type SentBuildComplete = components['schemas']['SentBuildComplete'];
export type SentBuildFailed = components['schemas']['SentBuildFailed'];
export type SentErrorReport = components['schemas']['SentErrorReport'];
export type ResourceEvent = components['schemas']['ResourceEvent'];
export type ListedResourceEvent = components['schemas']['ListedResourceEvent'];
export type ResourceEventList = components['schemas']['ResourceEventList'];
export type ResourceConnected = components['schemas']['ResourceConnected'];
export type ResourceHeartbeat = components['schemas']['ResourceHeartbeat'];
export type ResourceGap = components['schemas']['ResourceGap'];
export type ResourceClose = components['schemas']['ResourceClose'];
export type UnixSeconds = components['schemas']['UnixSeconds'];
export type CastStatus = components['schemas']['CastStatus'];
export type Spell = components['schemas']['Spell'];
export type Cast = components['schemas']['Cast'];
export type OptionalTimestamp = components['schemas']['OptionalTimestamp'];
export type NewCast = components['schemas']['NewCast'];
export type RunId = components['schemas']['RunId'];
export type CastChange = components['schemas']['CastChange'];
export type CastList = components['schemas']['CastList'];
export type CastStatusData = components['schemas']['CastStatusData'];
export type CastProgressData = components['schemas']['CastProgressData'];
export type CastCompleteData = components['schemas']['CastCompleteData'];
export type CastErrorData = components['schemas']['CastErrorData'];
export type CastTimeout = components['schemas']['CastTimeout'];
export type OwnCastsGap = components['schemas']['OwnCastsGap'];
export type CastClose = components['schemas']['CastClose'];
export type OwnCastsClose = components['schemas']['OwnCastsClose'];
export type AuditAction = components['schemas']['AuditAction'];
export type AuditRow = components['schemas']['AuditRow'];
export type AuditPage = components['schemas']['AuditPage'];
export type StreamCount = components['schemas']['StreamCount'];
export type AuditSummary = components['schemas']['AuditSummary'];
export type Document = components['schemas']['Document'];
export type GithubPayload = components['schemas']['GithubPayload'];
export type StoredDelivery = components['schemas']['StoredDelivery'];
export type DuplicateDelivery = components['schemas']['DuplicateDelivery'];
export type IgnoredDelivery = components['schemas']['IgnoredDelivery'];
export type PollResult = components['schemas']['PollResult'];
export type SkippedPoll = components['schemas']['SkippedPoll'];
export type StoredEvent = components['schemas']['StoredEvent'];
export type StatusWord = components['schemas']['StatusWord'];
export type Events = components['schemas']['Events'];
export type IngestedEvent = components['schemas']['IngestedEvent'];
export type StrictEvent = components['schemas']['StrictEvent'];
export type AgentsEvent = components['schemas']['AgentsEvent'];
export type TelemetryEvent = components['schemas']['TelemetryEvent'];
export type CloudEvent = components['schemas']['CloudEvent'];
export type CloudEventData = components['schemas']['CloudEventData'];
export type Stored = components['schemas']['Stored'];
