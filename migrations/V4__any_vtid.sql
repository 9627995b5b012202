-- A task's name may be any id that teams use: DEV-COMMU-0042.G, VTID-01260A, DEV-COMHU-2025-0015,
-- BOOTSTRAP-ORB-DELAY. A row with another name was refused, and its writer often ignored the answer.
--
-- The previous version writes only names that the wider constraints accept, and it reads any name.
SET LOCAL lock_timeout = '3s';

-- [A-Z][A-Z0-9]{1,15}(-[A-Z0-9]{1,32}){1,5}(\.[A-Z0-9]{1,8})?, at most 64 bytes. Counted repetitions make a
-- regular expression slow (see step 1), so lengths are compared separately. A segment of more than 32
-- characters needs a name of more than 35.
ALTER TABLE {schema}.oasis_events
    DROP CONSTRAINT oasis_events_vtid,
    DROP CONSTRAINT oasis_events_layer,
    ADD CONSTRAINT oasis_events_vtid CHECK (
        vtid IN ('UNSET', 'IDLE')
        OR octet_length(vtid) <= 64
            AND vtid ~ '^[A-Z][A-Z0-9]+(-[A-Z0-9]+)+(\.[A-Z0-9]+)?$'
            AND octet_length(split_part(vtid, '-', 1)) <= 16
            AND split_part(vtid, '-', 7) = ''
            AND octet_length(split_part(vtid, '.', 2)) <= 8
            AND (octet_length(vtid) <= 35 OR vtid !~ '[A-Z0-9]{33}')) NOT VALID,
    -- The second of at least three segments is the layer, if it is a valid layer.
    ADD CONSTRAINT oasis_events_layer CHECK (
        CASE WHEN split_part(vtid, '-', 3) <> '' AND split_part(vtid, '-', 2) >= 'A'
                AND octet_length(split_part(vtid, '-', 2)) <= 16
            THEN layer = split_part(vtid, '-', 2)
            ELSE octet_length(layer) <= 16 AND layer ~ '^[A-Z][A-Z0-9]*$'
            END) NOT VALID;
