-- Private streams: the current state of each room, and the keys of callers.
--
-- The step has three parts that take time on a large table: two indexes, and the states of rooms that have
-- rows already. Writers wait meanwhile. Readers do not wait. If both indexes were built beforehand,
-- CONCURRENTLY, the step is short.
SET LOCAL lock_timeout = '3s';

-- An index that was built beforehand and failed is left behind as invalid.
DO $$
DECLARE
    index regclass;
BEGIN
    FOREACH index IN ARRAY ARRAY[
        to_regclass('{schema}.oasis_events_channel_states'),
        to_regclass('{schema}.oasis_events_channel_vtids')]
    LOOP
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = index AND NOT indisvalid) THEN
            EXECUTE 'DROP INDEX ' || index;
        END IF;
    END LOOP;
END
$$;

-- The rows that change the state of a channel. There are few of them among millions of log lines.
CREATE INDEX IF NOT EXISTS oasis_events_channel_states ON {schema}.oasis_events (channel, (id + 0))
    WITH (deduplicate_items = off)
    WHERE channel <> 'devhub' AND kind IN ('room.opened', 'room.updated', 'room.closed');
-- The channels that have rows of a task. All lines of one task in one room are one entry with a list.
CREATE INDEX IF NOT EXISTS oasis_events_channel_vtids ON {schema}.oasis_events (vtid, channel)
    WHERE channel <> 'devhub' AND vtid NOT IN ('UNSET', 'IDLE');

-- The current state of each channel that has one. Only the trigger below and oasis_channels_rebuild write
-- this table, and both hold the writers' lock before they lock a row. There are no foreign keys.
CREATE TABLE {schema}.oasis_channels (
    channel    text COLLATE "C" PRIMARY KEY,
    -- The user who owns the channel. Null if nobody does.
    owner      text COLLATE "C" CHECK (octet_length(owner) BETWEEN 1 AND 256),
    -- Who may read: every signed-in user, or only the owner.
    readers    text COLLATE "C" NOT NULL CHECK (readers IN ('signed_in', 'owner')),
    state      text COLLATE "C" NOT NULL CHECK (state IN ('open', 'closed')),
    attempt    integer NOT NULL DEFAULT 1,
    -- The other fields, such as the title of a room.
    data       jsonb NOT NULL DEFAULT '{}',
    -- The newest row of oasis_events that the state contains.
    last_id    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE {schema}.oasis_channels IS
    'OASIS DevHub: the current state of each channel, computed from oasis_events. Do not write here.';
-- The channels of a family that everybody may read, and those of one owner, newest change first.
CREATE INDEX oasis_channels_signed_in ON {schema}.oasis_channels ((split_part(channel, ':', 1)), last_id)
    WHERE readers = 'signed_in';
CREATE INDEX oasis_channels_owner ON {schema}.oasis_channels ((split_part(channel, ':', 1)), owner, last_id)
    WHERE readers = 'owner';

-- API keys. The table has the SHA-256 of a key, not the key.
CREATE TABLE {schema}.oasis_api_keys (
    id         text COLLATE "C" PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 64),
    user_id    text COLLATE "C" NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 256),
    name       text NOT NULL DEFAULT '' CHECK (octet_length(name) <= 256),
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    -- The last characters of the key, by which its user knows it.
    hint       text NOT NULL CHECK (octet_length(hint) <= 16),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE {schema}.oasis_api_keys IS 'OASIS DevHub: API keys (oasis keys), as SHA-256.';
CREATE INDEX oasis_api_keys_user ON {schema}.oasis_api_keys (user_id, created_at);

-- The state after one more row. No meta raises an error: a member counts as absent if it has another type, or
-- if its text is empty or longer than 256 bytes. A state with the channel null means that there is no such
-- channel. A row that does not count leaves the state as it is. RoomState::fold of oasis-core does the same.
CREATE FUNCTION {schema}.oasis_channels_fold(
    state {schema}.oasis_channels, id bigint, channel text, kind text, meta jsonb, recorded_at timestamptz
) RETURNS {schema}.oasis_channels
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_owner text := CASE WHEN jsonb_typeof(meta -> 'owner') = 'string'
        AND octet_length(meta ->> 'owner') BETWEEN 1 AND 256 THEN meta ->> 'owner' END;
    new_title text := CASE WHEN jsonb_typeof(meta -> 'title') = 'string'
        AND octet_length(meta ->> 'title') BETWEEN 1 AND 256 THEN meta ->> 'title' END;
    new_readers text := CASE WHEN meta -> 'readers' IN ('"signed_in"', '"owner"') THEN meta ->> 'readers' END;
BEGIN
    IF kind = 'room.opened' THEN
        -- The first opening stands.
        IF state.channel IS NULL THEN
            state.channel := channel;
            state.owner := new_owner;
            state.readers := coalesce(new_readers, 'signed_in');
            state.state := 'open';
            state.attempt := 1;
            state.data := jsonb_strip_nulls(jsonb_build_object('title', new_title));
            state.last_id := id;
            state.created_at := recorded_at;
            state.updated_at := recorded_at;
        END IF;
    ELSIF state.channel IS NOT NULL AND state.last_id < id THEN
        IF kind = 'room.updated' THEN
            IF new_owner IS NOT NULL OR meta -> 'owner' = 'null' THEN
                state.owner := new_owner;
            END IF;
            IF new_title IS NOT NULL THEN
                state.data := state.data || jsonb_build_object('title', new_title);
            ELSIF meta -> 'title' = 'null' THEN
                state.data := state.data - 'title';
            END IF;
            state.readers := coalesce(new_readers, state.readers);
            state.last_id := id;
            state.updated_at := recorded_at;
        ELSIF kind = 'room.closed' AND state.state = 'open' THEN
            state.state := 'closed';
            state.last_id := id;
            state.updated_at := recorded_at;
        END IF;
    END IF;
    RETURN state;
END
$$;

-- Wakes the readers, as before, and keeps oasis_channels up to date, in the transaction of the rows. One
-- function does both, because a second trigger would need a second look at the rows of each statement, which
-- costs an append of one row up to a tenth of its time. A state is computed row by row, because two rows of
-- one channel may be in one statement.
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
    SELECT bool_or(i.channel <> 'devhub' AND i.kind IN ('room.opened', 'room.updated', 'room.closed'))
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
        ORDER BY i.id
    LOOP
        SELECT c.* INTO stored FROM {schema}.oasis_channels AS c WHERE c.channel = change.channel;
        folded := {schema}.oasis_channels_fold(
            stored, change.id, change.channel, change.kind, change.meta, change.recorded_at);
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

-- Computes the states of the next channels after a channel from their rows, and merges them into
-- oasis_channels. Nothing is deleted, and nobody can read or change more than before: where the rows and the
-- table disagree, the channel is closed, only its owner may read, or nobody owns it. A channel without an
-- opening row is not added. The writers' lock comes first, as in every writer, so writers wait meanwhile.
CREATE FUNCTION {schema}.oasis_channels_rebuild(after text, most bigint, OUT channel text, OUT outcome text)
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
        WHERE e.channel <> 'devhub' AND e.kind IN ('room.opened', 'room.updated', 'room.closed')
          AND starts_with(e.channel, 'room:') AND e.channel > after
        ORDER BY e.channel LIMIT most
    LOOP
        folded := NULL;
        FOR change IN
            SELECT e.id, e.kind, e.meta, e.recorded_at FROM {schema}.oasis_events AS e
            WHERE e.channel <> 'devhub' AND e.kind IN ('room.opened', 'room.updated', 'room.closed')
              AND e.channel = name
            ORDER BY e.id + 0
        LOOP
            folded := {schema}.oasis_channels_fold(
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
        merged := folded;
        merged.owner := CASE WHEN folded.owner = stored.owner THEN folded.owner END;
        merged.readers := CASE WHEN stored.readers = 'owner' THEN 'owner' ELSE folded.readers END;
        merged.state := CASE WHEN stored.state = 'closed' THEN 'closed' ELSE folded.state END;
        merged.last_id := greatest(folded.last_id, stored.last_id);
        merged.updated_at := greatest(folded.updated_at, stored.updated_at);
        IF merged IS DISTINCT FROM stored THEN
            UPDATE {schema}.oasis_channels AS c
                SET owner = merged.owner, readers = merged.readers, state = merged.state,
                    attempt = merged.attempt, data = merged.data, last_id = merged.last_id,
                    created_at = merged.created_at, updated_at = merged.updated_at
                WHERE c.channel = name;
        END IF;
        outcome := CASE
            WHEN (merged.owner, merged.readers, merged.state)
                IS DISTINCT FROM (folded.owner, folded.readers, folded.state) THEN 'narrowed'
            WHEN merged IS DISTINCT FROM stored THEN 'merged'
            ELSE 'unchanged' END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The states of rooms that have rows already. The lock waits for transactions that the previous trigger has
-- served, and keeps others away until the end of this step. So every row is counted.
LOCK TABLE {schema}.oasis_events IN SHARE ROW EXCLUSIVE MODE;
DO $$
BEGIN
    PERFORM FROM {schema}.oasis_channels_rebuild('', NULL);
END
$$;

-- As for the tables of step 1.
ALTER TABLE {schema}.oasis_channels ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_api_keys ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON {schema}.oasis_channels, {schema}.oasis_api_keys FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.oasis_channels_rebuild(text, bigint),
    {schema}.oasis_channels_fold({schema}.oasis_channels, bigint, text, text, jsonb, timestamptz) FROM PUBLIC;
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE 'REVOKE ALL ON {schema}.oasis_channels, {schema}.oasis_api_keys FROM ' || role;
        EXECUTE 'REVOKE ALL ON FUNCTION {schema}.oasis_channels_rebuild(text, bigint), '
            '{schema}.oasis_channels_fold('
            '{schema}.oasis_channels, bigint, text, text, jsonb, timestamptz) FROM ' || role;
    END LOOP;
    -- Services read both tables. The owner of the tables makes and revokes keys.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        GRANT SELECT ON {schema}.oasis_channels, {schema}.oasis_api_keys TO service_role;
        CREATE POLICY oasis_service_role ON {schema}.oasis_channels TO service_role USING (true);
        CREATE POLICY oasis_service_role ON {schema}.oasis_api_keys TO service_role USING (true);
    END IF;
END
$$;
