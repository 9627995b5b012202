-- What the deploy-watcher keeps: up to where it has read each project's log, and the entries that it could not read.
CREATE TABLE public.oasis_watch_state (
    project    text PRIMARY KEY CHECK (octet_length(project) BETWEEN 1 AND 128),
    -- The newest entry that has been read. Everything up to it is in oasis_events or in oasis_unread_entries.
    cursor     timestamptz NOT NULL,
    -- A walk through the log's pages that is not at its end: the time that it reads from, when it was begun, its next page.
    walk_from  timestamptz,
    walk_began timestamptz,
    walk_token text,
    kept_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((walk_from IS NULL) = (walk_token IS NULL) AND (walk_began IS NULL) = (walk_token IS NULL))
);

-- Entries as they came, in protobuf, with what is wrong with them. Nothing reads them but people; delete them at will.
CREATE TABLE public.oasis_unread_entries (
    log_name    text NOT NULL,
    ts          timestamptz NOT NULL,
    insert_id   text NOT NULL,
    reason      text NOT NULL,
    entry       bytea NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (log_name, ts, insert_id)
);

ALTER TABLE public.oasis_watch_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.oasis_unread_entries ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.oasis_watch_state, public.oasis_unread_entries FROM PUBLIC;
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE format('REVOKE ALL ON public.oasis_watch_state, public.oasis_unread_entries FROM %I', role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        GRANT SELECT, INSERT, UPDATE ON public.oasis_watch_state TO service_role;
        GRANT SELECT, INSERT ON public.oasis_unread_entries TO service_role;
        CREATE POLICY oasis_service_role ON public.oasis_watch_state TO service_role USING (true) WITH CHECK (true);
        CREATE POLICY oasis_service_role ON public.oasis_unread_entries TO service_role USING (true) WITH CHECK (true);
    END IF;
END
$$;
