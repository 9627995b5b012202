-- The CHECK constraints of the first migration, written so that each row costs less. Together they accept exactly the
-- same rows, so nothing that is stored has to be looked at again here; the next step marks them as valid.
--
-- PostgreSQL builds a regular expression's states anew for each value, as many as the value's characters reach: a
-- counted repetition such as [A-Z]{2,8} is a state for each count, [A-Z]+ is one. So the expressions have no counts, and
-- lengths are compared apart.

-- The swap itself takes an instant, but everybody waits behind it while it waits for somebody else's transaction.
SET LOCAL lock_timeout = '3s';

ALTER TABLE public.oasis_events
    DROP CONSTRAINT oasis_events_vtid,
    DROP CONSTRAINT oasis_events_layer,
    DROP CONSTRAINT oasis_events_module,
    DROP CONSTRAINT oasis_events_kind,
    DROP CONSTRAINT oasis_events_title,
    DROP CONSTRAINT oasis_events_ref,
    DROP CONSTRAINT oasis_events_link,
    DROP CONSTRAINT oasis_events_channel,
    -- PREFIX-LAYER-NUMBER or VTID-NUMBER: 2 to 8 letters, 2 to 16 letters and digits, 4 to 6 digits.
    ADD CONSTRAINT oasis_events_vtid CHECK (
        vtid IN ('UNSET', 'IDLE')
        OR vtid ~ '^[A-Z]+-([A-Z][A-Z0-9]+-)?[0-9]+$'
            AND CASE split_part(vtid, '-', 3)
                WHEN '' THEN split_part(vtid, '-', 1) = 'VTID' AND octet_length(vtid) BETWEEN 9 AND 11
                ELSE octet_length(split_part(vtid, '-', 1)) BETWEEN 2 AND 8
                    AND octet_length(split_part(vtid, '-', 2)) <= 16
                    AND octet_length(split_part(vtid, '-', 3)) BETWEEN 4 AND 6
                END) NOT VALID,
    -- A layer that the VTID names is as well-formed as the VTID.
    ADD CONSTRAINT oasis_events_layer CHECK (
        CASE split_part(vtid, '-', 3)
            WHEN '' THEN octet_length(layer) <= 16 AND layer ~ '^[A-Z][A-Z0-9]*$'
            ELSE layer = split_part(vtid, '-', 2)
            END) NOT VALID,
    ADD CONSTRAINT oasis_events_module CHECK (
        octet_length(module) <= 64 AND module ~ '^[A-Z](-?[A-Z0-9])*$') NOT VALID,
    ADD CONSTRAINT oasis_events_kind CHECK (
        octet_length(kind) <= 64 AND kind ~ '^[a-z](\.?[a-z0-9_])*$') NOT VALID,
    ADD CONSTRAINT oasis_events_title CHECK (
        title = layer || '-' || module || '-' || upper(replace(replace(kind, '_', '-'), '.', '-'))) NOT VALID,
    ADD CONSTRAINT oasis_events_ref CHECK (
        ref = 'vt/' || vtid || '-' || replace(replace(kind, '_', '-'), '.', '-')) NOT VALID,
    -- A host without a user name, then the rest.
    ADD CONSTRAINT oasis_events_link CHECK (
        octet_length(link) <= 2048
        AND (link LIKE 'https://%' OR link LIKE 'http://%')
        AND link ~ '^[a-z]+://[!$-.0-;=A-\[\]_a-z~]+([/?#][!#-;=?-\[\]_a-z~]*)?$') NOT VALID,
    ADD CONSTRAINT oasis_events_channel CHECK (
        channel = 'devhub'
        OR channel ~ '^[a-z][a-z0-9_]*(:[A-Za-z0-9._-]+)?$'
            AND octet_length(split_part(channel, ':', 1)) <= 32
            AND octet_length(split_part(channel, ':', 2)) <= 128) NOT VALID;
