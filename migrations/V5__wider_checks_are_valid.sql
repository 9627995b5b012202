-- Reads the table twice, while appends and reads go on. The constraints on vtid and layer that step 4
-- replaced accepted less than the present ones, so every row passes them.
SET LOCAL lock_timeout = '3s';

-- Hardly any table has a row with an impossible time. Such a row gets the time of the row before it. Appends
-- wait during this repair.
DO $$
BEGIN
    ALTER TABLE {schema}.oasis_events VALIDATE CONSTRAINT oasis_events_recorded_at;
EXCEPTION WHEN check_violation THEN
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
    ALTER TABLE {schema}.oasis_events VALIDATE CONSTRAINT oasis_events_recorded_at;
END
$$;

ALTER TABLE {schema}.oasis_events
    VALIDATE CONSTRAINT oasis_events_vtid,
    VALIDATE CONSTRAINT oasis_events_layer;
