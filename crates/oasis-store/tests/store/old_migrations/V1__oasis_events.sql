-- The one table everything goes through, and the triggers that keep it in commit order.
--
-- Order: a sequence number is drawn at INSERT and becomes visible at COMMIT, so readers that ask for
-- "id > cursor" lose rows when writers overlap. Here a statement-level BEFORE trigger takes one lock for the
-- transaction before any id is drawn (column defaults are evaluated after it), so ids are committed in order by
-- every client there is. An AFTER trigger wakes the readers at commit.

CREATE TABLE public.oasis_events (
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
    -- The clock, not now(): now() is the transaction's start, which is not in id order.
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    channel     text COLLATE "C" NOT NULL DEFAULT 'devhub',
    meta        jsonb NOT NULL DEFAULT '{}',
    dedup_key   text COLLATE "C",

    CONSTRAINT oasis_events_ts CHECK (ts >= '0001-01-01 00:00:00+00' AND ts < '9999-12-30 00:00:00+00'),
    CONSTRAINT oasis_events_vtid CHECK (
        vtid ~ '^([A-Z]{2,8}-[A-Z][A-Z0-9]{1,15}-[0-9]{4,6}|VTID-[0-9]{4,6}|UNSET|IDLE)$'),
    CONSTRAINT oasis_events_layer CHECK (
        layer ~ '^[A-Z][A-Z0-9]{0,15}$'
        AND (split_part(vtid, '-', 3) = '' OR layer = split_part(vtid, '-', 2))),
    CONSTRAINT oasis_events_module CHECK (
        length(module) <= 64 AND module ~ '^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$'),
    CONSTRAINT oasis_events_source CHECK (
        source IN ('oasis.events', 'github.actions', 'gcp.deploy', 'agent.ping')),
    CONSTRAINT oasis_events_kind CHECK (
        length(kind) <= 64 AND kind ~ '^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$'),
    CONSTRAINT oasis_events_status CHECK (
        status IN ('queued', 'in_progress', 'success', 'failure', 'cancelled', 'info')),
    CONSTRAINT oasis_events_title CHECK (
        title = layer || '-' || module || '-' || upper(translate(kind, '_.', '--'))),
    CONSTRAINT oasis_events_ref CHECK (ref = 'vt/' || vtid || '-' || translate(kind, '_.', '--')),
    CONSTRAINT oasis_events_link CHECK (
        length(link) <= 2048 AND link ~ '^https?://[^/?#@]+([/?#].*)?$' AND link ~ '^[!#-;=?-\[\]_a-z~]+$'),
    CONSTRAINT oasis_events_channel CHECK (
        channel ~ '^[a-z][a-z0-9_]{0,31}(:[A-Za-z0-9._-]{1,128})?$'),
    CONSTRAINT oasis_events_meta CHECK (
        jsonb_typeof(meta) = 'object' AND octet_length(meta::text) <= 16384),
    CONSTRAINT oasis_events_dedup_key CHECK (octet_length(dedup_key) BETWEEN 1 AND 512)
);

COMMENT ON TABLE public.oasis_events IS
    'OASIS DevHub: every event of every task, in commit order. Append-only; DELETE is retention (oasis prune).';
COMMENT ON COLUMN public.oasis_events.id IS 'Place in the feed: in commit order, with holes.';
COMMENT ON COLUMN public.oasis_events.dedup_key IS 'Two rows with the same key are the same event.';

CREATE UNIQUE INDEX oasis_events_dedup_key ON public.oasis_events (dedup_key) WHERE dedup_key IS NOT NULL;

-- "id + 0": an expression that the primary key cannot serve, so that the planner never walks the whole table
-- backwards in the hope of meeting a value that is rare. Queries say "id + 0" too.
CREATE INDEX oasis_events_vtid ON public.oasis_events (vtid, (id + 0)) WHERE channel = 'devhub';
CREATE INDEX oasis_events_status ON public.oasis_events (status, source, (id + 0)) WHERE channel = 'devhub';
CREATE INDEX oasis_events_kind ON public.oasis_events (kind, (id + 0)) WHERE channel = 'devhub';
CREATE INDEX oasis_events_module ON public.oasis_events (module, (id + 0)) WHERE channel = 'devhub';
CREATE INDEX oasis_events_layer ON public.oasis_events (layer, (id + 0)) WHERE channel = 'devhub';
CREATE INDEX oasis_events_other_channels ON public.oasis_events (channel, (id + 0)) WHERE channel <> 'devhub';

-- Locked, never read: a table of its own, because any login may hold an advisory lock's key, and because a
-- lock on oasis_events itself would fight with autovacuum and with readers.
CREATE TABLE public.oasis_events_lock ();
COMMENT ON TABLE public.oasis_events_lock IS 'OASIS DevHub: locked by writers of oasis_events; always empty.';

-- One row: up to which id the table has been pruned.
CREATE TABLE public.oasis_feed_state (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pruned_through bigint NOT NULL DEFAULT 0
);
INSERT INTO public.oasis_feed_state DEFAULT VALUES;

-- SECURITY DEFINER and its own search_path: a writer needs no right to the lock and cannot replace what is
-- called here. lock_timeout ends the wait in the server, so that no row lands after its writer gave up.
CREATE FUNCTION public.oasis_events_order() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '3s'
AS $$
DECLARE
    idle_limit constant interval := '15s';
    idle interval := current_setting('idle_in_transaction_session_timeout')::interval;
BEGIN
    LOCK TABLE public.oasis_events_lock IN EXCLUSIVE MODE;
    -- A crash would lose a row that readers have seen, and use its id again.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
    -- Whoever leaves the transaction open holds every other writer.
    IF idle = '0' OR idle > idle_limit THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '15s', true);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.oasis_events_notify() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- An insert of nothing, or of duplicates only, wakes nobody.
    IF EXISTS (SELECT FROM inserted) THEN
        PERFORM pg_notify('oasis_events', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.oasis_events_append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'oasis_events is append-only: % is not allowed', TG_OP
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Insert a new event that says what changed; remove old events with "oasis prune".';
END
$$;

CREATE TRIGGER oasis_events_order BEFORE INSERT ON public.oasis_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.oasis_events_order();
CREATE TRIGGER oasis_events_notify AFTER INSERT ON public.oasis_events
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION public.oasis_events_notify();
CREATE TRIGGER oasis_events_append_only BEFORE UPDATE OR TRUNCATE ON public.oasis_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.oasis_events_append_only();

-- ALWAYS: also for sessions that replay changes with session_replication_role = replica.
ALTER TABLE public.oasis_events ENABLE ALWAYS TRIGGER oasis_events_order;
ALTER TABLE public.oasis_events ENABLE ALWAYS TRIGGER oasis_events_notify;
ALTER TABLE public.oasis_events ENABLE ALWAYS TRIGGER oasis_events_append_only;

-- The first id recorded at or after an instant, or null: recorded_at is in id order, so it is found by bisection
-- over the primary key and needs no index of its own.
CREATE FUNCTION public.oasis_first_id_since(instant timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    low bigint; high bigint; middle bigint; found bigint; recorded timestamptz; answer bigint;
BEGIN
    SELECT min(id), max(id) INTO low, high FROM public.oasis_events;
    WHILE low <= high LOOP
        middle := low + (high - low) / 2;
        SELECT id, recorded_at INTO found, recorded
            FROM public.oasis_events WHERE id >= middle ORDER BY id LIMIT 1;
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

-- Nothing is readable or writable by default. The owner is not subject to row level security; another role needs
-- the grants and a policy, as the documentation shows.
ALTER TABLE public.oasis_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.oasis_events_lock ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.oasis_feed_state ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.oasis_events, public.oasis_events_lock, public.oasis_feed_state FROM PUBLIC;
REVOKE ALL ON FUNCTION public.oasis_events_order(), public.oasis_events_notify(), public.oasis_events_append_only(),
    public.oasis_first_id_since(timestamptz) FROM PUBLIC;

-- Supabase grants everything in public to these roles by default; TRUNCATE and LOCK are beyond row level security.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE format('REVOKE ALL ON public.oasis_events, public.oasis_events_lock, public.oasis_feed_state FROM %I', role);
        EXECUTE format('REVOKE ALL ON SEQUENCE public.oasis_events_id_seq FROM %I', role);
        EXECUTE format('REVOKE ALL ON FUNCTION public.oasis_events_order(), public.oasis_events_notify(), '
            'public.oasis_events_append_only(), public.oasis_first_id_since(timestamptz) FROM %I', role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        GRANT SELECT ON public.oasis_events, public.oasis_feed_state TO service_role;
        GRANT INSERT (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key)
            ON public.oasis_events TO service_role;
        GRANT SELECT ON SEQUENCE public.oasis_events_id_seq TO service_role;
        GRANT EXECUTE ON FUNCTION public.oasis_first_id_since(timestamptz) TO service_role;
        CREATE POLICY oasis_service_role ON public.oasis_events TO service_role USING (true) WITH CHECK (true);
        CREATE POLICY oasis_service_role ON public.oasis_feed_state TO service_role USING (true);
    END IF;
END
$$;
