-- Reads the table once, while appends and reads go on. Every row passed the constraints that step 2
-- replaced, and the present ones accept the same.
SET LOCAL lock_timeout = '3s';
ALTER TABLE {schema}.oasis_events
    VALIDATE CONSTRAINT oasis_events_module,
    VALIDATE CONSTRAINT oasis_events_kind;
