-- The notification channel belongs to the schema: appends in one schema do not wake the readers of another
-- schema of the same database. In the schema public, the channel keeps its name.
CREATE OR REPLACE FUNCTION {schema}.oasis_events_notify() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- An insert of nothing, or of duplicates only, wakes no reader.
    --
    -- If a session listens in one transaction for hours, the queue of notifications fills up, and then each
    -- commit with a notification fails. So the last quarter of the queue is left to others. Readers notice
    -- rows without a notification, and poll.
    IF EXISTS (SELECT FROM inserted) AND pg_notification_queue_usage() < 0.75 THEN
        PERFORM pg_notify('{prefix}oasis_events', '');
    END IF;
    RETURN NULL;
END
$$;
