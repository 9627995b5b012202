-- The notification channel belongs to the schema: appends in one schema do not wake the readers of another
-- schema of the same database. In the schema public, the channel keeps its name.
CREATE OR REPLACE FUNCTION {schema}.oasis_events_notify() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- An insert of nothing, or of duplicates only, wakes no reader.
    IF EXISTS (SELECT FROM inserted) THEN
        PERFORM pg_notify('{prefix}oasis_events', '');
    END IF;
    RETURN NULL;
END
$$;
