-- Reads the table once, while appends and reads go on. Every row passed the constraints that step 4
-- replaced, and the present constraints accept more.
SET LOCAL lock_timeout = '3s';
ALTER TABLE {schema}.oasis_events
    VALIDATE CONSTRAINT oasis_events_vtid,
    VALIDATE CONSTRAINT oasis_events_layer;
