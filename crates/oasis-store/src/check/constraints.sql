-- The CHECK constraints of oasis_events, as PostgreSQL prints them after the migrations. If a migration
-- replaces a constraint, replace it here too. If the constraint of a database differs, `/ready` shows the
-- text in this file as the correction.
ALTER TABLE {schema}.oasis_events
    ADD CONSTRAINT oasis_events_ts CHECK (((ts >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND
        (ts < '9999-12-30 00:00:00+00'::timestamp with time zone))),
    ADD CONSTRAINT oasis_events_recorded_at CHECK (((recorded_at >= '0001-01-01 00:00:00+00'::timestamp with
        time zone) AND (recorded_at < '9999-12-30 00:00:00+00'::timestamp with time zone))),
    ADD CONSTRAINT oasis_events_vtid CHECK (((vtid = ANY (ARRAY['UNSET'::text, 'IDLE'::text])) OR
        ((octet_length(vtid) <= 64) AND (vtid ~ '^[A-Z][A-Z0-9]+(-[A-Z0-9]+)+(\.[A-Z0-9]+)?$'::text) AND
        (octet_length(split_part(vtid, '-'::text, 1)) <= 16) AND (split_part(vtid, '-'::text, 7) = ''::text)
        AND (octet_length(split_part(vtid, '.'::text, 2)) <= 8) AND ((octet_length(vtid) <= 35) OR (vtid !~
        '[A-Z0-9]{33}'::text))))),
    ADD CONSTRAINT oasis_events_layer CHECK ( CASE WHEN ((split_part(vtid, '-'::text, 3) <> ''::text) AND
        (split_part(vtid, '-'::text, 2) >= 'A'::text) AND (octet_length(split_part(vtid, '-'::text, 2)) <=
        16)) THEN (layer = split_part(vtid, '-'::text, 2)) ELSE ((octet_length(layer) <= 16) AND (layer ~
        '^[A-Z][A-Z0-9]*$'::text)) END),
    ADD CONSTRAINT oasis_events_module CHECK (((module = 'CORE'::text) OR ((octet_length(module) <= 64) AND
        (module ~ '^[A-Z](-?[A-Z0-9])*$'::text)))),
    ADD CONSTRAINT oasis_events_source CHECK ((source = ANY (ARRAY['oasis.events'::text,
        'github.actions'::text, 'gcp.deploy'::text, 'agent.ping'::text]))),
    ADD CONSTRAINT oasis_events_kind CHECK (((kind = ANY (ARRAY['workflow_job'::text, 'workflow_run'::text,
        'push'::text, 'ping'::text, 'log'::text, 'check_run'::text, 'pull_request'::text,
        'deployment_status'::text, 'check_suite'::text, 'deployment'::text, 'deploy'::text,
        'cast.progress'::text])) OR ((octet_length(kind) <= 64) AND (kind ~
        '^[a-z](\.?[a-z0-9_])*$'::text)))),
    ADD CONSTRAINT oasis_events_status CHECK ((status = ANY (ARRAY['queued'::text, 'in_progress'::text,
        'success'::text, 'failure'::text, 'cancelled'::text, 'info'::text]))),
    ADD CONSTRAINT oasis_events_title CHECK ((title = ((((layer || '-'::text) || module) || '-'::text) ||
        upper(replace(replace(kind, '_'::text, '-'::text), '.'::text, '-'::text))))),
    ADD CONSTRAINT oasis_events_ref CHECK ((ref = ((('vt/'::text || vtid) || '-'::text) ||
        replace(replace(kind, '_'::text, '-'::text), '.'::text, '-'::text)))),
    ADD CONSTRAINT oasis_events_link CHECK (((octet_length(link) <= 2048) AND ((link ~~ 'https://%'::text)
        OR (link ~~ 'http://%'::text)) AND (link ~
        '^[a-z]+://[!$-.0-;=A-\[\]_a-z~]+([/?#][!#-;=?-\[\]_a-z~]*)?$'::text))),
    ADD CONSTRAINT oasis_events_channel CHECK (((channel = 'devhub'::text) OR ((channel ~
        '^[a-z][a-z0-9_]*(:[A-Za-z0-9._-]+)?$'::text) AND (octet_length(split_part(channel, ':'::text, 1))
        <= 32) AND (octet_length(split_part(channel, ':'::text, 2)) <= 128)))),
    ADD CONSTRAINT oasis_events_meta CHECK (((jsonb_typeof(meta) = 'object'::text) AND
        (octet_length((meta)::text) <= 16384))),
    ADD CONSTRAINT oasis_events_dedup_key CHECK (((octet_length(dedup_key) >= 1) AND
        (octet_length(dedup_key) <= 512)));
