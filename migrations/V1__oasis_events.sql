-- The schema: the one table that everything goes through, and the triggers that keep it in commit order.
--
-- Names of objects have a placeholder for their schema. The program replaces it before it runs or prints this
-- file.
--
-- Order: a sequence number is drawn at INSERT and becomes visible at COMMIT, so readers that ask for
-- "id > cursor" lose rows when writers overlap. Here a statement-level BEFORE trigger takes one lock for the
-- transaction before any id is drawn (column defaults are evaluated after it), so ids are committed in order,
-- whatever client inserts. An AFTER trigger wakes the readers at commit.

CREATE TABLE {schema}.oasis_events (
    id          bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    ts          timestamptz(3) NOT NULL,
    vtid        text COLLATE "C" NOT NULL,
    layer       text COLLATE "C" NOT NULL,
    module      text COLLATE "C" NOT NULL,
    source      text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    title       text COLLATE "C" NOT NULL,
    ref         text COLLATE "C" NOT NULL,
    link        text COLLATE "C",
    -- The clock, not now(): now() is the start of the transaction, which is not in id order.
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    channel     text COLLATE "C" NOT NULL DEFAULT 'devhub',
    meta        jsonb NOT NULL DEFAULT '{}',
    dedup_key   text COLLATE "C",

    -- PostgreSQL builds the states of a regular expression again for each value, as many as the characters
    -- of the value reach. A counted repetition such as [A-Z]{2,8} is a state for each count, [A-Z]+ is one.
    -- So the expressions have no counts, and lengths are compared separately.

    CONSTRAINT oasis_events_ts CHECK (ts >= '0001-01-01 00:00:00+00' AND ts < '9999-12-30 00:00:00+00'),
    -- PREFIX-LAYER-NUMBER or VTID-NUMBER: 2 to 8 letters, 2 to 16 letters and digits, 4 to 6 digits.
    CONSTRAINT oasis_events_vtid CHECK (
        vtid IN ('UNSET', 'IDLE')
        OR vtid ~ '^[A-Z]+-([A-Z][A-Z0-9]+-)?[0-9]+$'
            AND CASE split_part(vtid, '-', 3)
                WHEN '' THEN split_part(vtid, '-', 1) = 'VTID' AND octet_length(vtid) BETWEEN 9 AND 11
                ELSE octet_length(split_part(vtid, '-', 1)) BETWEEN 2 AND 8
                    AND octet_length(split_part(vtid, '-', 2)) <= 16
                    AND octet_length(split_part(vtid, '-', 3)) BETWEEN 4 AND 6
                END),
    -- A layer that the VTID names is as well-formed as the VTID.
    CONSTRAINT oasis_events_layer CHECK (
        CASE split_part(vtid, '-', 3)
            WHEN '' THEN octet_length(layer) <= 16 AND layer ~ '^[A-Z][A-Z0-9]*$'
            ELSE layer = split_part(vtid, '-', 2)
            END),
    CONSTRAINT oasis_events_module CHECK (
        octet_length(module) <= 64 AND module ~ '^[A-Z](-?[A-Z0-9])*$'),
    CONSTRAINT oasis_events_source CHECK (
        source IN ('oasis.events', 'github.actions', 'gcp.deploy', 'agent.ping')),
    CONSTRAINT oasis_events_kind CHECK (
        octet_length(kind) <= 64 AND kind ~ '^[a-z](\.?[a-z0-9_])*$'),
    CONSTRAINT oasis_events_status CHECK (
        status IN ('queued', 'in_progress', 'success', 'failure', 'cancelled', 'info')),
    CONSTRAINT oasis_events_title CHECK (
        title = layer || '-' || module || '-' || upper(replace(replace(kind, '_', '-'), '.', '-'))),
    CONSTRAINT oasis_events_ref CHECK (
        ref = 'vt/' || vtid || '-' || replace(replace(kind, '_', '-'), '.', '-')),
    -- A host without a user name, then the rest.
    CONSTRAINT oasis_events_link CHECK (
        octet_length(link) <= 2048
        AND (link LIKE 'https://%' OR link LIKE 'http://%')
        AND link ~ '^[a-z]+://[!$-.0-;=A-\[\]_a-z~]+([/?#][!#-;=?-\[\]_a-z~]*)?$'),
    CONSTRAINT oasis_events_channel CHECK (
        channel = 'devhub'
        OR channel ~ '^[a-z][a-z0-9_]*(:[A-Za-z0-9._-]+)?$'
            AND octet_length(split_part(channel, ':', 1)) <= 32
            AND octet_length(split_part(channel, ':', 2)) <= 128),
    CONSTRAINT oasis_events_meta CHECK (
        jsonb_typeof(meta) = 'object' AND octet_length(meta::text) <= 16384),
    CONSTRAINT oasis_events_dedup_key CHECK (octet_length(dedup_key) BETWEEN 1 AND 512)
);

COMMENT ON TABLE {schema}.oasis_events IS
    'OASIS DevHub: every event of every task, in commit order. '
    'Append-only; DELETE is retention (oasis prune).';
COMMENT ON COLUMN {schema}.oasis_events.id IS 'Place in the feed: in commit order, with holes.';
COMMENT ON COLUMN {schema}.oasis_events.dedup_key IS 'Two rows with the same key are the same event.';

CREATE UNIQUE INDEX oasis_events_dedup_key ON {schema}.oasis_events (dedup_key)
    WHERE dedup_key IS NOT NULL;

-- Filters. "id + 0" is an expression that the primary key cannot serve, so the planner never walks the whole
-- table backwards in the hope of meeting a value that is rare. Queries say "id + 0" too.
-- deduplicate_items: no two entries of these are equal, so a full page has no duplicates to look for.
CREATE INDEX oasis_events_vtid ON {schema}.oasis_events (vtid, (id + 0))
    WITH (deduplicate_items = off) WHERE channel = 'devhub';
CREATE INDEX oasis_events_status ON {schema}.oasis_events (status, source, (id + 0))
    WITH (deduplicate_items = off) WHERE channel = 'devhub';
CREATE INDEX oasis_events_kind ON {schema}.oasis_events (kind, (id + 0))
    WITH (deduplicate_items = off) WHERE channel = 'devhub';
CREATE INDEX oasis_events_module ON {schema}.oasis_events (module, (id + 0))
    WITH (deduplicate_items = off) WHERE channel = 'devhub';
CREATE INDEX oasis_events_layer ON {schema}.oasis_events (layer, (id + 0))
    WITH (deduplicate_items = off) WHERE channel = 'devhub';
CREATE INDEX oasis_events_other_channels ON {schema}.oasis_events (channel, (id + 0))
    WHERE channel <> 'devhub';

-- Bounds on ts, the producer's time, which need not follow id, while pages are in id order. So the table is
-- divided into blocks of 8,192 ids, and the rows of a block are found by ts. See oasis_ids_between.
CREATE INDEX oasis_events_ts ON {schema}.oasis_events ((id >> 13), ts) WITH (deduplicate_items = off);

-- Agents. Hardly a row of other sources is in one of these three, so the appends of other sources do not
-- pay for them.
--
-- Pings that say something new: the last events for a new reader of the feed leave out those that only
-- repeat.
CREATE INDEX oasis_events_news_of_agents ON {schema}.oasis_events ((id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND source = 'agent.ping'
      AND (meta -> 'repeat') IS DISTINCT FROM 'true'::jsonb;
-- Events of other sources with values that millions of pings have: a walk along those values would go through
-- all pings.
CREATE INDEX oasis_events_among_agents ON {schema}.oasis_events ((id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND source <> 'agent.ping' AND (kind = 'ping' OR vtid = 'IDLE');
-- The last event of each kind by or about each run of an agent. `Pinger::read` of oasis-core says which run
-- it is; cut, because an index entry must not be long.
CREATE INDEX oasis_events_agents ON {schema}.oasis_events (
    (left(coalesce(
        CASE WHEN jsonb_typeof(meta -> 'instance') = 'string' THEN nullif(meta ->> 'instance', '') END,
        CASE WHEN jsonb_typeof(meta -> 'agent') = 'string' THEN nullif(meta ->> 'agent', '') END,
        module), 200) COLLATE "C"),
    (CASE WHEN kind = 'ping' AND (meta -> 'repeat') IS NOT DISTINCT FROM 'true'::jsonb THEN 'repeat'
        ELSE kind END COLLATE "C"),
    (id + 0))
    WITH (deduplicate_items = off)
    WHERE channel = 'devhub' AND source = 'agent.ping' AND kind IN ('ping', 'ping.lost', 'ping.back');

-- Locked, never read: a table of its own, because any login may hold an advisory lock's key, and because a
-- lock on oasis_events itself would fight with autovacuum and with readers.
CREATE TABLE {schema}.oasis_events_lock ();
COMMENT ON TABLE {schema}.oasis_events_lock IS
    'OASIS DevHub: locked by writers of oasis_events; always empty.';

-- One row: up to which id the table has been pruned.
CREATE TABLE {schema}.oasis_feed_state (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pruned_through bigint NOT NULL DEFAULT 0
);
INSERT INTO {schema}.oasis_feed_state DEFAULT VALUES;

-- SECURITY DEFINER and its own search_path: a writer needs no right to the lock and cannot replace what is
-- called here. lock_timeout ends the wait in the server, so that no row lands after its writer gave up.
CREATE FUNCTION {schema}.oasis_events_order() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '3s'
AS $$
DECLARE
    idle_limit constant interval := '15s';
    idle interval := current_setting('idle_in_transaction_session_timeout')::interval;
BEGIN
    LOCK TABLE {schema}.oasis_events_lock IN EXCLUSIVE MODE;
    -- A crash would lose a row that readers have seen, and use its id again.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
    -- A session that leaves the transaction open blocks every other writer.
    IF idle = '0' OR idle > idle_limit THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '15s', true);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION {schema}.oasis_events_notify() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- An insert of nothing, or of duplicates only, wakes no reader.
    IF EXISTS (SELECT FROM inserted) THEN
        PERFORM pg_notify('oasis_events', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION {schema}.oasis_events_append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'oasis_events is append-only: % is not allowed', TG_OP
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Insert a new event that says what changed; remove old events with "oasis prune".';
END
$$;

CREATE TRIGGER oasis_events_order BEFORE INSERT ON {schema}.oasis_events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.oasis_events_order();
CREATE TRIGGER oasis_events_notify AFTER INSERT ON {schema}.oasis_events
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.oasis_events_notify();
CREATE TRIGGER oasis_events_append_only BEFORE UPDATE OR TRUNCATE ON {schema}.oasis_events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.oasis_events_append_only();

-- ALWAYS: also for sessions that replay changes with session_replication_role = replica.
ALTER TABLE {schema}.oasis_events ENABLE ALWAYS TRIGGER oasis_events_order;
ALTER TABLE {schema}.oasis_events ENABLE ALWAYS TRIGGER oasis_events_notify;
ALTER TABLE {schema}.oasis_events ENABLE ALWAYS TRIGGER oasis_events_append_only;

-- The first id recorded at or after an instant, or null: recorded_at is in id order, so it is found by
-- bisection over the primary key and needs no index of its own.
CREATE FUNCTION {schema}.oasis_first_id_since(instant timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    low bigint; high bigint; middle bigint; found bigint; recorded timestamptz; answer bigint;
BEGIN
    SELECT min(id), max(id) INTO low, high FROM {schema}.oasis_events;
    WHILE low <= high LOOP
        middle := low + (high - low) / 2;
        SELECT id, recorded_at INTO found, recorded
            FROM {schema}.oasis_events WHERE id >= middle ORDER BY id LIMIT 1;
        IF recorded >= instant THEN
            answer := found;
            high := middle - 1;
        ELSE
            low := found + 1;
        END IF;
    END LOOP;
    RETURN answer;
END
$$;

-- The newest ids of channel devhub with ts from since to until, in order; null accepts any value. A page
-- costs one probe for each block of ids that it passes over, and reads hardly a row outside the bounds,
-- whatever the clocks of the producers said. Where the bounds take few rows of a block, these are looked at
-- one by one; where they take many, the index on a field that the filter names leads (one must be named in
-- full: for statuses or sources both). jit: the planner cannot know that the loop ends early, and would
-- compile for longer than it runs. Generic plans: each statement here has one good plan.
CREATE FUNCTION {schema}.oasis_ids_between(
    since timestamptz, until timestamptz, before bigint, most bigint,
    vtids text[], statuses text[], sources text[], kinds text[], modules text[], layers text[]
) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    few constant int := 32;
    lead constant text := CASE WHEN vtids IS NOT NULL THEN 'vtid' WHEN statuses IS NOT NULL THEN 'status'
        WHEN kinds IS NOT NULL THEN 'kind' WHEN modules IS NOT NULL THEN 'module'
        WHEN layers IS NOT NULL THEN 'layer' END;
    wanted bigint := most;
    stride bigint := 1;
    block bigint; oldest bigint; next bigint; first_id bigint; end_id bigint; found bigint[];
BEGIN
    SELECT min(id) >> 13, least(max(id), before - 1) >> 13 INTO oldest, block FROM {schema}.oasis_events;
    WHILE wanted > 0 AND block >= oldest LOOP
        -- Over the blocks with nothing in bounds, with ever longer strides.
        SELECT max(b) INTO next FROM generate_series(greatest(block - stride + 1, oldest), block) AS b
            WHERE (SELECT e.id FROM {schema}.oasis_events AS e
                   WHERE (e.id >> 13) = b AND e.ts >= since AND e.ts <= until
                   ORDER BY (e.id >> 13), e.ts LIMIT 1) IS NOT NULL;
        IF next IS NULL THEN
            block := block - stride;
            stride := least(stride * 2, 64);
            CONTINUE;
        END IF;
        block := next;
        stride := 1;
        first_id := block << 13;
        end_id := least((block + 1) << 13, before);
        found := ARRAY(
            SELECT e.id FROM {schema}.oasis_events AS e
            WHERE (e.id >> 13) = block AND e.ts >= since AND e.ts <= until
            ORDER BY (e.id >> 13), e.ts LIMIT few + 1);
        IF cardinality(found) BETWEEN 1 AND few THEN
            found := ARRAY(
                SELECT e.id FROM {schema}.oasis_events AS e
                WHERE e.id = ANY (found) AND e.id < end_id AND e.channel = 'devhub'
                  AND (e.vtid = ANY (vtids)) IS NOT FALSE AND (e.status = ANY (statuses)) IS NOT FALSE
                  AND (e.source = ANY (sources)) IS NOT FALSE AND (e.kind = ANY (kinds)) IS NOT FALSE
                  AND (e.module = ANY (modules)) IS NOT FALSE AND (e.layer = ANY (layers)) IS NOT FALSE
                ORDER BY e.id DESC LIMIT wanted);
        ELSIF cardinality(found) > 0 AND lead IS NULL THEN
            found := ARRAY(
                SELECT e.id FROM {schema}.oasis_events AS e
                WHERE e.id >= first_id AND e.id < end_id AND e.ts >= since AND e.ts <= until
                  AND e.channel = 'devhub'
                ORDER BY e.id DESC LIMIT wanted);
        ELSIF cardinality(found) > 0 THEN
            found := ARRAY(
                SELECT e.id FROM (
                    SELECT * FROM {schema}.oasis_events AS v
                        WHERE lead = 'vtid' AND v.vtid = ANY (vtids)
                          AND v.id + 0 >= first_id AND v.id + 0 < end_id AND v.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS s
                        WHERE lead = 'status' AND s.status = ANY (statuses) AND s.source = ANY (sources)
                          AND s.id + 0 >= first_id AND s.id + 0 < end_id AND s.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS k
                        WHERE lead = 'kind' AND k.kind = ANY (kinds)
                          AND k.id + 0 >= first_id AND k.id + 0 < end_id AND k.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS m
                        WHERE lead = 'module' AND m.module = ANY (modules)
                          AND m.id + 0 >= first_id AND m.id + 0 < end_id AND m.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS l
                        WHERE lead = 'layer' AND l.layer = ANY (layers)
                          AND l.id + 0 >= first_id AND l.id + 0 < end_id AND l.channel = 'devhub'
                ) AS e
                WHERE e.ts >= since AND e.ts <= until
                  AND (e.vtid = ANY (vtids)) IS NOT FALSE AND (e.status = ANY (statuses)) IS NOT FALSE
                  AND (e.source = ANY (sources)) IS NOT FALSE AND (e.kind = ANY (kinds)) IS NOT FALSE
                  AND (e.module = ANY (modules)) IS NOT FALSE AND (e.layer = ANY (layers)) IS NOT FALSE
                ORDER BY e.id DESC LIMIT wanted);
        END IF;
        RETURN QUERY SELECT unnest(found);
        wanted := wanted - cardinality(found);
        block := block - 1;
    END LOOP;
END
$$;

-- How far the deploy-watcher has read the log of each project.
CREATE TABLE {schema}.oasis_watch_state (
    project    text PRIMARY KEY CHECK (octet_length(project) BETWEEN 1 AND 128),
    -- The newest entry that has been read. Everything up to it is in oasis_events or oasis_unread_entries.
    cursor     timestamptz NOT NULL,
    -- A walk through the pages of the log that is not at its end: the time from which it reads, when it
    -- began, and its next page.
    walk_from  timestamptz,
    walk_began timestamptz,
    walk_token text,
    kept_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((walk_from IS NULL) = (walk_token IS NULL) AND (walk_began IS NULL) = (walk_token IS NULL))
);

-- The entries that it could not read, in protobuf as they came, each with the reason. No program reads them;
-- they may be deleted at any time.
CREATE TABLE {schema}.oasis_unread_entries (
    log_name    text NOT NULL,
    ts          timestamptz NOT NULL,
    insert_id   text NOT NULL,
    reason      text NOT NULL,
    entry       bytea NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (log_name, ts, insert_id)
);

-- Nothing is readable or writable by default. The owner is not subject to row level security; another role
-- needs the grants and a policy, as docs/database.md shows.
ALTER TABLE {schema}.oasis_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_events_lock ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_feed_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_watch_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_unread_entries ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON {schema}.oasis_events, {schema}.oasis_events_lock, {schema}.oasis_feed_state,
    {schema}.oasis_watch_state, {schema}.oasis_unread_entries FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.oasis_events_order(), {schema}.oasis_events_notify(),
    {schema}.oasis_events_append_only(), {schema}.oasis_first_id_since(timestamptz),
    {schema}.oasis_ids_between(
        timestamptz, timestamptz, bigint, bigint, text[], text[], text[], text[], text[], text[])
    FROM PUBLIC;

-- Supabase grants everything in public to these roles by default; TRUNCATE and LOCK are beyond row level
-- security.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE 'REVOKE ALL ON {schema}.oasis_events, {schema}.oasis_events_lock, {schema}.oasis_feed_state, '
            '{schema}.oasis_watch_state, {schema}.oasis_unread_entries FROM ' || role;
        EXECUTE 'REVOKE ALL ON SEQUENCE {schema}.oasis_events_id_seq FROM ' || role;
        EXECUTE 'REVOKE ALL ON FUNCTION {schema}.oasis_events_order(), {schema}.oasis_events_notify(), '
            '{schema}.oasis_events_append_only(), {schema}.oasis_first_id_since(timestamptz), '
            '{schema}.oasis_ids_between(timestamptz, timestamptz, bigint, bigint, '
            'text[], text[], text[], text[], text[], text[]) FROM ' || role;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        GRANT SELECT ON {schema}.oasis_events, {schema}.oasis_feed_state TO service_role;
        GRANT INSERT
            (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key)
            ON {schema}.oasis_events TO service_role;
        GRANT SELECT ON SEQUENCE {schema}.oasis_events_id_seq TO service_role;
        GRANT EXECUTE ON FUNCTION {schema}.oasis_first_id_since(timestamptz), {schema}.oasis_ids_between(
            timestamptz, timestamptz, bigint, bigint, text[], text[], text[], text[], text[], text[])
            TO service_role;
        GRANT SELECT, INSERT, UPDATE ON {schema}.oasis_watch_state TO service_role;
        GRANT SELECT, INSERT ON {schema}.oasis_unread_entries TO service_role;
        CREATE POLICY oasis_service_role ON {schema}.oasis_events
            TO service_role USING (true) WITH CHECK (true);
        CREATE POLICY oasis_service_role ON {schema}.oasis_feed_state
            TO service_role USING (true);
        CREATE POLICY oasis_service_role ON {schema}.oasis_watch_state
            TO service_role USING (true) WITH CHECK (true);
        CREATE POLICY oasis_service_role ON {schema}.oasis_unread_entries
            TO service_role USING (true) WITH CHECK (true);
    END IF;
END
$$;
