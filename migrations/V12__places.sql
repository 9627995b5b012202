-- Places: how many streams of casts each user has open, over all gateways. Also the audit log.
SET LOCAL lock_timeout = '3s';

-- A gateway that holds places. It renews them every ten seconds. A gateway that has not renewed them for
-- twenty seconds counts as dead, and its places are free.
CREATE TABLE {schema}.oasis_place_holders (
    holder     text COLLATE "C" PRIMARY KEY CHECK (octet_length(holder) BETWEEN 1 AND 64),
    renewed_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE {schema}.oasis_places (
    holder  text COLLATE "C" NOT NULL,
    place   bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 256),
    -- What the audit log says about the stream, for the case that its gateway dies.
    about   jsonb NOT NULL,
    PRIMARY KEY (holder, place)
);
CREATE INDEX oasis_places_user ON {schema}.oasis_places (user_id);
-- How many streams each user has opened in a minute, with tokens or with API keys.
CREATE TABLE {schema}.oasis_place_counts (
    minute   timestamptz NOT NULL,
    user_id  text COLLATE "C" NOT NULL,
    with_key boolean NOT NULL,
    connects integer NOT NULL,
    PRIMARY KEY (minute, user_id, with_key)
) WITH (fillfactor = 50);
COMMENT ON TABLE {schema}.oasis_place_holders IS 'OASIS DevHub: gateways with open streams of casts.';
COMMENT ON TABLE {schema}.oasis_places IS 'OASIS DevHub: open streams of casts.';
COMMENT ON TABLE {schema}.oasis_place_counts IS 'OASIS DevHub: streams of casts opened in each minute.';

-- Lets one session at a time change places. Returns the time after the wait for the lock, and whether the
-- gateway is not known or counts as dead. The commit is asynchronous: after a crash of the server, the
-- gateways write their places again.
CREATE FUNCTION {schema}.oasis_places_lock(gateway text, OUT now timestamptz, OUT was_dead boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '3s', true);
    LOCK TABLE {schema}.oasis_place_holders IN EXCLUSIVE MODE;
    now := clock_timestamp();
    was_dead := coalesce((SELECT h.renewed_at < now - interval '20 seconds'
        FROM {schema}.oasis_place_holders AS h WHERE h.holder = gateway), true);
END
$$;

-- Frees the places `freed` of a gateway, and then takes places for requests, in their order. A request that
-- `counts` counts for the minute of its user. If the user has opened too many streams in this minute, or
-- `wants` is false, or the user holds `most` places, the request gets no place. The answer has a row for each
-- request: how often the user has connected in this minute, how many places the user held before, and whether
-- the request got a place. The last row has no place: `was_dead` is true if the gateway was not known before,
-- or counted as dead. Then it must write the places that it holds again.
--
-- The tables are empty at first, and later have thousands of rows that come and go. Without enable_seqscan,
-- the plans that the function keeps would read whole tables.
CREATE FUNCTION {schema}.oasis_places_take(
    gateway text, freed bigint[], places bigint[], users text[], with_keys boolean[], counts boolean[],
    wants boolean[], abouts text[], most integer, most_connects integer, most_connects_with_key integer,
    OUT place bigint, OUT connects integer, OUT held integer, OUT taken boolean, OUT left_ms integer,
    OUT was_dead boolean
) RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    this_minute timestamptz;
    nth integer;
BEGIN
    SELECT l.now, l.was_dead INTO now, was_dead FROM {schema}.oasis_places_lock(gateway) AS l;
    this_minute := date_trunc('minute', now);
    INSERT INTO {schema}.oasis_place_holders AS h VALUES (gateway, now)
        ON CONFLICT (holder) DO UPDATE SET renewed_at = now;
    DELETE FROM {schema}.oasis_places AS p WHERE p.holder = gateway AND p.place = ANY(freed);
    left_ms := 60000 - extract(epoch FROM now - this_minute) * 1000;
    FOR nth IN 1 .. coalesce(array_length(places, 1), 0) LOOP
        place := places[nth];
        INSERT INTO {schema}.oasis_place_counts AS c VALUES (this_minute, users[nth], with_keys[nth], 1)
            ON CONFLICT (minute, user_id, with_key) DO UPDATE SET connects = c.connects + counts[nth]::integer
            RETURNING c.connects INTO connects;
        SELECT count(*) INTO held FROM {schema}.oasis_places AS p
            JOIN {schema}.oasis_place_holders AS h ON h.holder = p.holder
            WHERE p.user_id = users[nth] AND h.renewed_at > now - interval '20 seconds';
        taken := wants[nth] AND held < most
            AND connects <= CASE WHEN with_keys[nth] THEN most_connects_with_key ELSE most_connects END;
        IF taken THEN
            INSERT INTO {schema}.oasis_places VALUES (gateway, place, users[nth], abouts[nth]::jsonb);
        END IF;
        RETURN NEXT;
    END LOOP;
    place := NULL;
    RETURN NEXT;
END
$$;

-- Renews the places of a gateway that holds `number` places. `lost` is true if the gateway counted as dead,
-- or if the table has another number of places: then the gateway must write its places again. Deletes old
-- counts. If the gateway `sweeps`, the answer also has the places of dead gateways: the caller reports them,
-- and then forgets them with oasis_places_forget.
CREATE FUNCTION {schema}.oasis_places_renew(
    gateway text, number bigint, sweeps boolean,
    OUT lost boolean, OUT others bigint, OUT dead text, OUT place bigint, OUT user_id text, OUT about text
) RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    was_dead boolean;
BEGIN
    SELECT l.now, l.was_dead INTO now, was_dead FROM {schema}.oasis_places_lock(gateway) AS l;
    IF number > 0 THEN
        INSERT INTO {schema}.oasis_place_holders AS h VALUES (gateway, now)
            ON CONFLICT (holder) DO UPDATE SET renewed_at = now;
    ELSE
        DELETE FROM {schema}.oasis_place_holders AS h WHERE h.holder = gateway;
    END IF;
    DELETE FROM {schema}.oasis_place_counts AS c WHERE c.minute < now - interval '2 minutes';
    lost := number > 0 AND was_dead
        OR number <> (SELECT count(*) FROM {schema}.oasis_places AS p WHERE p.holder = gateway);
    others := (SELECT count(*) FROM {schema}.oasis_place_holders AS h WHERE h.holder <> gateway);
    RETURN QUERY SELECT lost, others, p.holder, p.place, p.user_id, p.about::text
        FROM {schema}.oasis_places AS p LEFT JOIN {schema}.oasis_place_holders AS h ON h.holder = p.holder
        WHERE sweeps AND p.holder <> gateway
            AND (h.renewed_at < now - interval '30 seconds' OR h.holder IS NULL)
        ORDER BY p.holder, p.place LIMIT 1000;
    IF NOT FOUND THEN
        DELETE FROM {schema}.oasis_place_holders AS h
            WHERE sweeps AND h.renewed_at < now - interval '30 seconds';
        RETURN NEXT;
    END IF;
END
$$;

-- Forgets places of dead gateways. A gateway that has renewed its places in the meantime keeps them.
CREATE FUNCTION {schema}.oasis_places_forget(holders text[], places bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM {schema}.oasis_places_lock('');
    DELETE FROM {schema}.oasis_places AS p USING unnest(holders, places) AS d (holder, place)
        WHERE p.holder = d.holder AND p.place = d.place AND NOT EXISTS (
            SELECT FROM {schema}.oasis_place_holders AS h
            WHERE h.holder = p.holder AND h.renewed_at >= clock_timestamp() - interval '30 seconds');
END
$$;

-- Writes all places of a gateway again. A user who then holds more than `most` places loses the newest places
-- of this gateway. The answer has the places that are lost.
CREATE FUNCTION {schema}.oasis_places_rewrite(
    gateway text, places bigint[], users text[], abouts text[], most integer
) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
AS $$
DECLARE
    now timestamptz;
BEGIN
    SELECT l.now INTO now FROM {schema}.oasis_places_lock(gateway) AS l;
    INSERT INTO {schema}.oasis_place_holders AS h VALUES (gateway, now)
        ON CONFLICT (holder) DO UPDATE SET renewed_at = now;
    DELETE FROM {schema}.oasis_places AS p WHERE p.holder = gateway;
    RETURN QUERY
        WITH claimed AS (
            SELECT c.place, c.user_id, c.about, row_number() OVER (PARTITION BY c.user_id ORDER BY c.place)
                + (SELECT count(*) FROM {schema}.oasis_places AS p
                   JOIN {schema}.oasis_place_holders AS h ON h.holder = p.holder
                   WHERE p.user_id = c.user_id AND h.renewed_at > now - interval '20 seconds') AS rank
            FROM unnest(places, users, abouts) AS c (place, user_id, about)),
        kept AS (
            INSERT INTO {schema}.oasis_places
            SELECT gateway, c.place, c.user_id, c.about::jsonb FROM claimed AS c WHERE c.rank <= most)
        SELECT c.place FROM claimed AS c WHERE c.rank > most;
END
$$;

-- The audit log: who followed casts, for how long, and why each stream ended; refusals; and the rows that
-- report the statuses of casts.
CREATE VIEW {schema}.oasis_audit_logs AS
    SELECT e.id, e.kind AS action, e.recorded_at AS created_at, e.meta ->> 'userId' AS user_id,
        e.meta ->> 'castId' AS cast_id, e.meta AS metadata
    FROM {schema}.oasis_events AS e WHERE e.channel <> 'devhub' AND e.channel = 'audit'
    UNION ALL
    SELECT e.id, 'cast.status_changed', e.recorded_at, e.meta ->> 'owner', e.meta ->> 'castId', e.meta
    FROM {schema}.oasis_events AS e
    WHERE e.channel <> 'devhub' AND starts_with(e.channel, 'cast:')
        AND e.kind IN ('cast.queued', 'cast.started', 'cast.succeeded', 'cast.failed');
-- The view reads with the rights of its reader, where PostgreSQL can do this.
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 150000 THEN
        ALTER VIEW {schema}.oasis_audit_logs SET (security_invoker = true);
    END IF;
END
$$;
COMMENT ON VIEW {schema}.oasis_audit_logs IS 'OASIS DevHub: who followed casts, refusals, and statuses.';

-- Sums the audit log up since `since`: the streams of all users. Counts at most the newest `most` rows.
-- `is_whole` is false if the log has more rows since then. Times are in milliseconds.
CREATE FUNCTION {schema}.oasis_audit_summary(
    since timestamptz, most integer,
    OUT open_streams bigint, OUT open_users bigint, OUT opened bigint, OUT opened_users bigint,
    OUT refused bigint, OUT median_ms double precision, OUT average_ms double precision, OUT reasons text[],
    OUT ended bigint[], OUT is_whole boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH newest AS (
        SELECT e.kind, e.recorded_at, e.meta FROM {schema}.oasis_events AS e
        WHERE e.channel <> 'devhub' AND e.channel = 'audit' ORDER BY (e.id + 0) DESC LIMIT most),
    row AS (
        SELECT n.kind, n.meta ->> 'userId' AS user_id, left(coalesce(n.meta ->> 'reason', ''), 64) AS reason,
            CASE WHEN n.meta ->> 'duration' ~ '^[0-9]{1,15}$' THEN (n.meta ->> 'duration')::bigint END AS ms,
            CASE WHEN n.meta ->> 'count' ~ '^[0-9]{1,9}$' THEN (n.meta ->> 'count')::bigint ELSE 1 END
                AS number
        FROM newest AS n WHERE n.recorded_at >= since),
    ending AS (
        SELECT r.reason, count(*) AS number FROM row AS r WHERE r.kind = 'cast.sse_connection_closed'
        GROUP BY r.reason ORDER BY number DESC, r.reason LIMIT 20)
    SELECT
        (SELECT count(*) FROM {schema}.oasis_places),
        (SELECT count(DISTINCT p.user_id) FROM {schema}.oasis_places AS p),
        count(*) FILTER (WHERE r.kind = 'cast.sse_connection_opened'),
        count(DISTINCT r.user_id) FILTER (WHERE r.kind = 'cast.sse_connection_opened'),
        coalesce(sum(r.number) FILTER (WHERE r.kind = 'cast.sse_connection_failed'), 0)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms)
            FILTER (WHERE r.kind = 'cast.sse_connection_closed'),
        avg(r.ms) FILTER (WHERE r.kind = 'cast.sse_connection_closed')::double precision,
        coalesce((SELECT array_agg(g.reason ORDER BY g.number DESC, g.reason) FROM ending AS g), '{}'),
        coalesce((SELECT array_agg(g.number ORDER BY g.number DESC, g.reason) FROM ending AS g), '{}'),
        (SELECT count(*) < most OR min(n.recorded_at) < since FROM newest AS n)
    FROM row AS r
$$;

-- As for the tables of step 7. The functions act with the rights of their owner.
ALTER TABLE {schema}.oasis_place_holders ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_places ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.oasis_place_counts ENABLE ROW LEVEL SECURITY;
DO $$
DECLARE
    role text;
    tables constant text := '{schema}.oasis_place_holders, {schema}.oasis_places, '
        '{schema}.oasis_place_counts, {schema}.oasis_audit_logs';
    functions constant text := '{schema}.oasis_places_lock(text), '
        '{schema}.oasis_places_take(text, bigint[], bigint[], text[], boolean[], '
        'boolean[], boolean[], text[], integer, integer, integer), '
        '{schema}.oasis_places_renew(text, bigint, boolean), {schema}.oasis_places_forget(text[], bigint[]), '
        '{schema}.oasis_places_rewrite(text, bigint[], text[], text[], integer), '
        '{schema}.oasis_audit_summary(timestamptz, integer)';
BEGIN
    EXECUTE 'REVOKE ALL ON ' || tables || ' FROM PUBLIC';
    EXECUTE 'REVOKE ALL ON FUNCTION ' || functions || ' FROM PUBLIC';
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE 'REVOKE ALL ON ' || tables || ' FROM ' || role;
        EXECUTE 'REVOKE ALL ON FUNCTION ' || functions || ' FROM ' || role;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || functions || ' TO service_role';
        EXECUTE 'GRANT SELECT ON {schema}.oasis_audit_logs TO service_role';
    END IF;
END
$$;
