-- Casts: the current state of each job.
--
-- The step has two parts that take time on a large table: the indexes, and the states of casts that have rows
-- already. Meanwhile, writers wait. Readers do not wait. If the indexes were built beforehand, CONCURRENTLY,
-- the step is short.
SET LOCAL lock_timeout = '3s';

-- An index that was built beforehand and failed is left behind as invalid.
DO $$
DECLARE
    index regclass;
BEGIN
    FOREACH index IN ARRAY ARRAY[to_regclass('{schema}.oasis_events_cast_states'),
        to_regclass('{schema}.oasis_events_runs'), to_regclass('{schema}.oasis_events_cast_titles')]
    LOOP
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = index AND NOT indisvalid) THEN
            EXECUTE 'DROP INDEX ' || index;
        END IF;
    END LOOP;
END
$$;

-- The rows that change the state of a cast. Reports of progress are not among them.
CREATE INDEX IF NOT EXISTS oasis_events_cast_states ON {schema}.oasis_events (channel, (id + 0))
    WITH (deduplicate_items = off)
    WHERE channel <> 'devhub'
      AND kind IN ('cast.queued', 'cast.started', 'cast.succeeded', 'cast.failed', 'cast.updated');
-- The deliveries of a workflow run, and those whose title names a cast. Only webhook-ingest can store a row
-- with this dedup key.
CREATE INDEX IF NOT EXISTS oasis_events_runs ON {schema}.oasis_events ((meta ->> 'run_id'), (id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND kind = 'workflow_run' AND starts_with(dedup_key, 'github:workflow_run:')
      AND octet_length(meta ->> 'run_id') <= 64;
CREATE INDEX IF NOT EXISTS oasis_events_cast_titles ON {schema}.oasis_events ((meta ->> 'cast'), (id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND kind = 'workflow_run' AND starts_with(dedup_key, 'github:workflow_run:')
      AND octet_length(meta ->> 'cast') <= 128;

-- The state of a cast after one more row. No meta raises an error: a member counts as absent if it has
-- another type, or if its text is empty or too long. If the state has no channel, the cast does
-- not exist. A row that does not count leaves the state as it is. CastState::fold of oasis-core explains the
-- rules and does the same.
CREATE FUNCTION {schema}.oasis_casts_fold(
    state {schema}.oasis_channels, id bigint, channel text, kind text, meta jsonb, recorded_at timestamptz
) RETURNS {schema}.oasis_channels
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_owner text := CASE WHEN jsonb_typeof(meta -> 'owner') = 'string'
        AND octet_length(meta ->> 'owner') BETWEEN 1 AND 256 THEN meta ->> 'owner' END;
    new_state text := CASE kind WHEN 'cast.queued' THEN 'queued' WHEN 'cast.started' THEN 'running'
        WHEN 'cast.succeeded' THEN 'succeeded' WHEN 'cast.failed' THEN 'failed' END;
    ranks constant jsonb := '{"queued": 0, "running": 1, "succeeded": 2, "failed": 2}';
    new_attempt integer := CASE WHEN jsonb_typeof(meta -> 'attempt') = 'number'
        AND meta ->> 'attempt' ~ '^[1-9][0-9]{0,9}$'
        THEN CASE WHEN (meta ->> 'attempt')::bigint <= 2147483647
            THEN (meta ->> 'attempt')::integer END END;
    -- The fields that the row sets.
    new_fields jsonb;
    folded jsonb;
BEGIN
    IF state.channel IS NULL AND (kind <> 'cast.queued' OR new_owner IS NULL)
        OR state.channel IS NOT NULL AND state.last_id >= id THEN
        RETURN state;
    END IF;
    SELECT coalesce(jsonb_object_agg(m.key, m.value), '{}') INTO new_fields FROM jsonb_each(meta) AS m
    WHERE CASE jsonb_typeof(m.value)
        WHEN 'string' THEN m.key IN
            ('vtid', 'repository', 'runId', 'startedAt', 'finishedAt', 'artifactUrl', 'errorMessage')
            AND octet_length(m.value #>> '{}') BETWEEN 1 AND 8192
        WHEN 'number' THEN m.key IN ('duration', 'costCents')
        WHEN 'object' THEN m.key = 'spell'
        ELSE false END;
    IF state.channel IS NULL THEN
        state.channel := channel;
        state.owner := new_owner;
        state.readers := 'owner';
        state.state := 'queued';
        state.attempt := coalesce(new_attempt, 1);
        state.data := new_fields;
        state.last_id := id;
        state.created_at := recorded_at;
        state.updated_at := recorded_at;
        RETURN state;
    END IF;
    new_attempt := coalesce(new_attempt, state.attempt);
    folded := state.data;
    -- The id of the run is set once.
    IF kind = 'cast.updated' AND new_attempt = state.attempt THEN
        folded := folded || CASE WHEN folded ? 'runId' THEN new_fields - 'runId' ELSE new_fields END;
    ELSIF new_state IS NULL THEN
        RETURN state;
    ELSIF (new_attempt, (ranks -> new_state)::integer) > (state.attempt, (ranks -> state.state)::integer) THEN
        IF new_attempt > state.attempt THEN
            folded := folded - '{startedAt,finishedAt,duration,artifactUrl,errorMessage}'::text[];
        END IF;
        folded := folded || CASE WHEN folded ? 'runId' THEN new_fields - 'runId' ELSE new_fields END;
        state.attempt := new_attempt;
        state.state := new_state;
        state.last_id := id;
        state.updated_at := recorded_at;
    ELSIF new_attempt = state.attempt AND new_state = state.state AND new_state <> 'queued' THEN
        folded := new_fields || folded;
    END IF;
    -- As texts, because 1 and 1.0 are equal as jsonb.
    IF folded::text <> state.data::text THEN
        state.data := folded;
        state.last_id := id;
        state.updated_at := recorded_at;
    END IF;
    RETURN state;
END
$$;

-- The trigger function of step 7, which now also handles casts.
CREATE OR REPLACE FUNCTION {schema}.oasis_events_notify() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Whether a row changes a state. Null if there are no rows.
    has_changes boolean;
    change record;
    stored {schema}.oasis_channels;
    folded {schema}.oasis_channels;
BEGIN
    SELECT bool_or(i.channel <> 'devhub' AND i.kind IN (
        'room.opened', 'room.updated', 'room.closed',
        'cast.queued', 'cast.started', 'cast.succeeded', 'cast.failed', 'cast.updated'))
        INTO has_changes FROM inserted AS i;
    -- An insert of nothing, or of duplicates only, wakes no reader. See step 6 for the queue.
    IF has_changes IS NOT NULL AND pg_notification_queue_usage() < 0.75 THEN
        PERFORM pg_notify('{prefix}oasis_events', '');
    END IF;
    IF has_changes IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    FOR change IN
        SELECT i.id, i.channel, i.kind, i.meta, i.recorded_at FROM inserted AS i
        WHERE i.kind IN ('room.opened', 'room.updated', 'room.closed') AND starts_with(i.channel, 'room:')
          OR i.kind IN ('cast.queued', 'cast.started', 'cast.succeeded', 'cast.failed', 'cast.updated')
            AND starts_with(i.channel, 'cast:')
        ORDER BY i.id
    LOOP
        SELECT c.* INTO stored FROM {schema}.oasis_channels AS c WHERE c.channel = change.channel;
        IF starts_with(change.channel, 'cast:') THEN
            folded := {schema}.oasis_casts_fold(
                stored, change.id, change.channel, change.kind, change.meta, change.recorded_at);
        ELSE
            folded := {schema}.oasis_channels_fold(
                stored, change.id, change.channel, change.kind, change.meta, change.recorded_at);
        END IF;
        -- Each row that counts changes last_id.
        IF folded.last_id IS DISTINCT FROM stored.last_id THEN
            INSERT INTO {schema}.oasis_channels AS c VALUES (folded.*)
            ON CONFLICT (channel) DO UPDATE SET owner = excluded.owner, readers = excluded.readers,
                state = excluded.state, attempt = excluded.attempt, data = excluded.data,
                last_id = excluded.last_id, updated_at = excluded.updated_at;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- Computes the states of at most `most` casts from their rows, in the order of their channels, beginning
-- after the channel `after`. Merges them into oasis_channels. Nothing is deleted, and no user gets more
-- access. If the rows and the table disagree about the owner, the cast has no owner. If they disagree about
-- anything else, the newer state is kept.
CREATE FUNCTION {schema}.oasis_casts_rebuild(after text, most bigint, OUT channel text, OUT outcome text)
    RETURNS SETOF record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '3s'
AS $$
#variable_conflict use_column
DECLARE
    name text;
    change record;
    folded {schema}.oasis_channels;
    stored {schema}.oasis_channels;
    merged {schema}.oasis_channels;
BEGIN
    LOCK TABLE {schema}.oasis_events_lock IN EXCLUSIVE MODE;
    FOR name IN
        SELECT DISTINCT e.channel FROM {schema}.oasis_events AS e
        WHERE e.channel <> 'devhub'
          AND e.kind IN ('cast.queued', 'cast.started', 'cast.succeeded', 'cast.failed', 'cast.updated')
          AND starts_with(e.channel, 'cast:') AND e.channel > after
        ORDER BY e.channel LIMIT most
    LOOP
        folded := NULL;
        FOR change IN
            SELECT e.id, e.kind, e.meta, e.recorded_at FROM {schema}.oasis_events AS e
            WHERE e.channel <> 'devhub'
              AND e.kind IN ('cast.queued', 'cast.started', 'cast.succeeded', 'cast.failed', 'cast.updated')
              AND e.channel = name
            ORDER BY e.id + 0
        LOOP
            folded := {schema}.oasis_casts_fold(
                folded, change.id, name, change.kind, change.meta, change.recorded_at);
        END LOOP;
        channel := name;
        IF folded.channel IS NULL THEN
            outcome := 'unopened';
            RETURN NEXT;
            CONTINUE;
        END IF;
        SELECT c.* INTO stored FROM {schema}.oasis_channels AS c WHERE c.channel = name;
        IF stored.channel IS NULL THEN
            INSERT INTO {schema}.oasis_channels VALUES (folded.*);
            outcome := 'added';
            RETURN NEXT;
            CONTINUE;
        END IF;
        -- Retention may have deleted the row that opened the cast, if the cast has had an end before.
        merged := CASE WHEN stored.last_id > folded.last_id OR stored.created_at < folded.created_at
            THEN stored ELSE folded END;
        merged.owner := CASE WHEN folded.owner = stored.owner THEN folded.owner END;
        IF merged IS DISTINCT FROM stored THEN
            UPDATE {schema}.oasis_channels AS c
                SET owner = merged.owner, readers = merged.readers, state = merged.state,
                    attempt = merged.attempt, data = merged.data, last_id = merged.last_id,
                    created_at = merged.created_at, updated_at = merged.updated_at
                WHERE c.channel = name;
        END IF;
        outcome := CASE
            WHEN merged.owner IS DISTINCT FROM folded.owner THEN 'narrowed'
            WHEN merged IS DISTINCT FROM stored THEN 'merged'
            ELSE 'unchanged' END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Reads casts together with the deliveries of their workflow runs: the casts that these deliveries are about,
-- or the casts with these channels, or the casts that a run may still drive, at most `most` after the channel
-- `after`. A run may drive a cast that has not ended, and a cast whose run has started again: GitHub allows
-- this for 30 days. Each row is a cast with one delivery. `head` is as in the statements of the
-- programs. If there is no cast, the answer has one row with only the first two columns.
--
-- The function keeps its plans, because planning takes longer than reading. OFFSET 0 makes the planner find
-- deliveries by their ids, and not by their kind.
CREATE FUNCTION {schema}.oasis_casts_with_runs(
    deliveries bigint[], names text[], after text, most bigint,
    OUT head bigint, OUT has_casts boolean, OUT channel text, OUT owner text, OUT state text,
    OUT last_id bigint, OUT created_at timestamptz, OUT updated_at timestamptz, OUT attempt integer,
    OUT data text, OUT run_row bigint, OUT run_ts timestamptz, OUT run_meta text
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    SELECT greatest((SELECT max(e.id) FROM {schema}.oasis_events AS e), 0,
        (SELECT greatest(f.pruned_through, (SELECT max(m.value::int8) FROM jsonb_each_text(f.families) AS m))
         FROM {schema}.oasis_feed_state AS f)) INTO head;
    has_casts := EXISTS (SELECT FROM {schema}.oasis_channels AS c
        WHERE c.state IN ('queued', 'running', 'succeeded', 'failed'));
    IF deliveries IS NOT NULL THEN
        names := ARRAY(
            SELECT c.channel FROM (SELECT e.channel, e.kind, e.dedup_key, e.meta
                FROM {schema}.oasis_events AS e WHERE e.id = ANY(deliveries) OFFSET 0) AS e
            JOIN {schema}.oasis_channels AS c ON c.state IN ('queued', 'running', 'succeeded', 'failed')
                AND octet_length(c.data ->> 'runId') <= 64 AND c.data ->> 'runId' = e.meta ->> 'run_id'
            WHERE e.channel = 'devhub' AND e.kind = 'workflow_run'
                AND starts_with(e.dedup_key, 'github:workflow_run:')
            UNION SELECT 'cast:' || (e.meta ->> 'cast') FROM (SELECT e.channel, e.kind, e.dedup_key, e.meta
                FROM {schema}.oasis_events AS e WHERE e.id = ANY(deliveries) OFFSET 0) AS e
            WHERE e.channel = 'devhub' AND e.kind = 'workflow_run' AND e.meta ? 'cast'
                AND starts_with(e.dedup_key, 'github:workflow_run:'));
    ELSIF names IS NULL THEN
        names := ARRAY(SELECT c.channel FROM {schema}.oasis_channels AS c
            WHERE c.state IN ('queued', 'running', 'succeeded', 'failed') AND c.channel > after
                AND c.data ?| '{repository,runId}'::text[]
                AND (c.state IN ('queued', 'running')
                    OR c.updated_at > now() - interval '35 days' AND EXISTS (
                    SELECT FROM {schema}.oasis_events AS e
                    WHERE e.channel = 'devhub' AND e.kind = 'workflow_run'
                        AND starts_with(e.dedup_key, 'github:workflow_run:')
                        AND octet_length(e.meta ->> 'run_id') <= 64
                        AND e.meta ->> 'run_id' = c.data ->> 'runId' AND (e.id + 0) > c.last_id))
            ORDER BY c.channel LIMIT most);
    END IF;
    RETURN QUERY SELECT head, has_casts, c.channel, c.owner, c.state, c.last_id, c.created_at, c.updated_at,
            c.attempt, c.data::text, runs.id, runs.ts, runs.meta
        FROM (SELECT DISTINCT one.name FROM unnest(names) AS one (name) OFFSET 0) AS named
        JOIN {schema}.oasis_channels AS c ON c.channel = named.name
        LEFT JOIN LATERAL (
            (SELECT e.id, e.ts, e.meta::text AS meta FROM {schema}.oasis_events AS e
             WHERE e.channel = 'devhub' AND e.kind = 'workflow_run'
                AND starts_with(e.dedup_key, 'github:workflow_run:')
                AND octet_length(e.meta ->> 'run_id') <= 64 AND e.meta ->> 'run_id' = c.data ->> 'runId'
             ORDER BY (e.id + 0) DESC LIMIT 200)
            UNION ALL
            (SELECT e.id, e.ts, e.meta::text FROM {schema}.oasis_events AS e
             WHERE e.channel = 'devhub' AND e.kind = 'workflow_run'
                AND starts_with(e.dedup_key, 'github:workflow_run:')
                AND octet_length(e.meta ->> 'cast') <= 128 AND e.meta ->> 'cast' = substr(c.channel, 6)
                AND NOT c.data ? 'runId'
                AND lower(e.meta ->> 'repository') = lower(c.data ->> 'repository')
             ORDER BY (e.id + 0) LIMIT 200)) AS runs ON true
        WHERE c.state IN ('queued', 'running', 'succeeded', 'failed') ORDER BY c.channel;
    IF NOT FOUND THEN
        RETURN NEXT;
    END IF;
END
$$;

-- The states of casts that have rows already. See step 7 for the lock.
LOCK TABLE {schema}.oasis_events IN SHARE ROW EXCLUSIVE MODE;
DO $$
BEGIN
    PERFORM FROM {schema}.oasis_casts_rebuild('', NULL);
END
$$;

-- As for the functions of step 7.
REVOKE ALL ON FUNCTION {schema}.oasis_casts_rebuild(text, bigint),
    {schema}.oasis_casts_fold({schema}.oasis_channels, bigint, text, text, jsonb, timestamptz) FROM PUBLIC;
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE 'REVOKE ALL ON FUNCTION {schema}.oasis_casts_rebuild(text, bigint), '
            '{schema}.oasis_casts_fold('
            '{schema}.oasis_channels, bigint, text, text, jsonb, timestamptz) FROM ' || role;
    END LOOP;
END
$$;

-- This function reads with the rights of its caller. See step 9.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE 'REVOKE ALL ON FUNCTION {schema}.oasis_casts_with_runs(bigint[], text[], text, bigint) FROM '
            || role;
    END LOOP;
END
$$;
