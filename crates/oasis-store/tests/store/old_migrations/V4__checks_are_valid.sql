-- Reads the whole table once, while appends and reads go on: every row was checked by the first migration's constraints,
-- and the ones that replaced them accept the same.

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = 0;

ALTER TABLE public.oasis_events
    VALIDATE CONSTRAINT oasis_events_vtid,
    VALIDATE CONSTRAINT oasis_events_layer,
    VALIDATE CONSTRAINT oasis_events_module,
    VALIDATE CONSTRAINT oasis_events_kind,
    VALIDATE CONSTRAINT oasis_events_title,
    VALIDATE CONSTRAINT oasis_events_ref,
    VALIDATE CONSTRAINT oasis_events_link,
    VALIDATE CONSTRAINT oasis_events_channel;
