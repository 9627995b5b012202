-- Reads the table once, while appends and reads go on. The constraints on vtid and layer that step 4 replaced
-- accepted less than the present ones, so every row passes them.
SET LOCAL lock_timeout = '3s';

-- A row with an impossible time gets the time of the row before it. Hardly any table has such a row.
DO $$
BEGIN
    IF EXISTS (SELECT FROM {schema}.oasis_events
               WHERE (recorded_at >= '0001-01-01 00:00:00+00' AND recorded_at < '9999-12-30 00:00:00+00')
                   IS NOT TRUE) THEN
        ALTER TABLE {schema}.oasis_events DISABLE TRIGGER oasis_events_append_only;
        UPDATE {schema}.oasis_events AS bad SET recorded_at = coalesce(
                (SELECT good.recorded_at FROM {schema}.oasis_events AS good
                 WHERE good.id < bad.id AND good.recorded_at >= '0001-01-01 00:00:00+00'
                   AND good.recorded_at < '9999-12-30 00:00:00+00'
                 ORDER BY good.id DESC LIMIT 1),
                bad.ts)
            WHERE (bad.recorded_at >= '0001-01-01 00:00:00+00'
                   AND bad.recorded_at < '9999-12-30 00:00:00+00') IS NOT TRUE;
        ALTER TABLE {schema}.oasis_events ENABLE ALWAYS TRIGGER oasis_events_append_only;
    END IF;
END
$$;

ALTER TABLE {schema}.oasis_events
    VALIDATE CONSTRAINT oasis_events_vtid,
    VALIDATE CONSTRAINT oasis_events_layer,
    VALIDATE CONSTRAINT oasis_events_recorded_at;
