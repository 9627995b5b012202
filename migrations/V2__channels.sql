-- Rows of other channels must not slow the ticker down, and each family of channels has its own retention.
--
-- Writers wait while the two indexes are built, unless they were built beforehand, CONCURRENTLY. This step
-- does not wait long for writers, nor at its end for readers.
SET LOCAL lock_timeout = '3s';

-- An index that was built beforehand and failed is left behind as invalid.
DO $$
DECLARE
    index regclass;
BEGIN
    FOREACH index IN ARRAY ARRAY[
        to_regclass('{schema}.oasis_events_devhub'), to_regclass('{schema}.oasis_events_devhub_ts')]
    LOOP
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = index AND NOT indisvalid) THEN
            EXECUTE 'DROP INDEX ' || index;
        END IF;
    END LOOP;
END
$$;

-- The ticker in id order. The primary key would lead through the rows of all channels, and between two
-- events of the ticker there may be a million lines of rooms. The condition is written so that the planner
-- takes it for half of the table, whatever its statistics say: then it always walks this index in order,
-- and never sorts all rows of the ticker. A page with a filter has the condition of the other indexes and
-- cannot use this one, along which it would walk far for values that have become rare.
CREATE INDEX IF NOT EXISTS oasis_events_devhub ON {schema}.oasis_events ((id + 0))
    WITH (deduplicate_items = off) WHERE coalesce(channel = 'devhub', false);
-- Bounds on ts are for the ticker alone. This index takes the place of oasis_events_ts below.
CREATE INDEX IF NOT EXISTS oasis_events_devhub_ts ON {schema}.oasis_events ((id >> 13), ts)
    WITH (deduplicate_items = off) WHERE channel = 'devhub';

-- As before, but of the ticker alone: the function goes from one block with rows of the ticker to the next,
-- however many rows of other channels are between them.
CREATE OR REPLACE FUNCTION {schema}.oasis_ids_between(
    since timestamptz, until timestamptz, before bigint, most bigint,
    vtids text[], statuses text[], sources text[], kinds text[], modules text[], layers text[]
) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    few constant int := 32;
    lead constant text := CASE WHEN vtids IS NOT NULL THEN 'vtid' WHEN statuses IS NOT NULL THEN 'status'
        WHEN kinds IS NOT NULL THEN 'kind' WHEN modules IS NOT NULL THEN 'module'
        WHEN layers IS NOT NULL THEN 'layer' END;
    wanted bigint := most;
    stride bigint := 1;
    end_id bigint := before;
    block bigint; oldest bigint; next bigint; first_id bigint; found bigint[];
BEGIN
    SELECT e.id >> 13 INTO oldest FROM {schema}.oasis_events AS e
        WHERE coalesce(e.channel = 'devhub', false) ORDER BY e.id + 0 LIMIT 1;
    WHILE wanted > 0 LOOP
        -- The next block with rows of the ticker.
        SELECT e.id >> 13 INTO block FROM {schema}.oasis_events AS e
            WHERE coalesce(e.channel = 'devhub', false) AND e.id + 0 < end_id ORDER BY e.id + 0 DESC LIMIT 1;
        EXIT WHEN block IS NULL;
        -- Over the blocks with nothing in bounds, with ever longer strides.
        SELECT max(b) INTO next FROM generate_series(greatest(block - stride + 1, oldest), block) AS b
            WHERE (SELECT e.id FROM {schema}.oasis_events AS e
                   WHERE e.channel = 'devhub' AND (e.id >> 13) = b AND e.ts >= since AND e.ts <= until
                   ORDER BY (e.id >> 13), e.ts LIMIT 1) IS NOT NULL;
        IF next IS NULL THEN
            end_id := (block - stride + 1) << 13;
            stride := least(stride * 2, 64);
            CONTINUE;
        END IF;
        stride := 1;
        first_id := next << 13;
        end_id := least((next + 1) << 13, end_id);
        found := ARRAY(
            SELECT e.id FROM {schema}.oasis_events AS e
            WHERE e.channel = 'devhub' AND (e.id >> 13) = next AND e.ts >= since AND e.ts <= until
            ORDER BY (e.id >> 13), e.ts LIMIT few + 1);
        IF cardinality(found) <= few THEN
            found := ARRAY(
                SELECT e.id FROM {schema}.oasis_events AS e
                WHERE e.id = ANY (found) AND e.id < end_id
                  AND (e.vtid = ANY (vtids)) IS NOT FALSE AND (e.status = ANY (statuses)) IS NOT FALSE
                  AND (e.source = ANY (sources)) IS NOT FALSE AND (e.kind = ANY (kinds)) IS NOT FALSE
                  AND (e.module = ANY (modules)) IS NOT FALSE AND (e.layer = ANY (layers)) IS NOT FALSE
                ORDER BY e.id DESC LIMIT wanted);
        ELSIF lead IS NULL THEN
            found := ARRAY(
                SELECT e.id FROM {schema}.oasis_events AS e
                WHERE coalesce(e.channel = 'devhub', false) AND e.id + 0 >= first_id AND e.id + 0 < end_id
                  AND e.ts >= since AND e.ts <= until
                ORDER BY e.id + 0 DESC LIMIT wanted);
        ELSE
            found := ARRAY(
                SELECT e.id FROM (
                    SELECT * FROM {schema}.oasis_events AS v
                        WHERE lead = 'vtid' AND v.vtid = ANY (vtids)
                          AND v.id + 0 >= first_id AND v.id + 0 < end_id AND v.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS s
                        WHERE lead = 'status' AND s.status = ANY (statuses) AND s.source = ANY (sources)
                          AND s.id + 0 >= first_id AND s.id + 0 < end_id AND s.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS k
                        WHERE lead = 'kind' AND k.kind = ANY (kinds)
                          AND k.id + 0 >= first_id AND k.id + 0 < end_id AND k.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS m
                        WHERE lead = 'module' AND m.module = ANY (modules)
                          AND m.id + 0 >= first_id AND m.id + 0 < end_id AND m.channel = 'devhub'
                    UNION ALL SELECT * FROM {schema}.oasis_events AS l
                        WHERE lead = 'layer' AND l.layer = ANY (layers)
                          AND l.id + 0 >= first_id AND l.id + 0 < end_id AND l.channel = 'devhub'
                ) AS e
                WHERE e.ts >= since AND e.ts <= until
                  AND (e.vtid = ANY (vtids)) IS NOT FALSE AND (e.status = ANY (statuses)) IS NOT FALSE
                  AND (e.source = ANY (sources)) IS NOT FALSE AND (e.kind = ANY (kinds)) IS NOT FALSE
                  AND (e.module = ANY (modules)) IS NOT FALSE AND (e.layer = ANY (layers)) IS NOT FALSE
                ORDER BY e.id DESC LIMIT wanted);
        END IF;
        RETURN QUERY SELECT unnest(found);
        wanted := wanted - cardinality(found);
        end_id := first_id;
    END LOOP;
END
$$;

-- Readers wait from here to the end, which is next.

-- Retention. pruned_through is the mark of family devhub, which the previous version reads. The marks of
-- the other families are in the same row, so that a page reads them in one snapshot and the rights to the
-- table cover them.
ALTER TABLE {schema}.oasis_feed_state
    ADD COLUMN families jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT oasis_feed_state_families CHECK (jsonb_typeof(families) = 'object');
COMMENT ON COLUMN {schema}.oasis_feed_state.pruned_through IS
    'Rows of channel devhub up to this id are gone.';
COMMENT ON COLUMN {schema}.oasis_feed_state.families IS
    'For each other family of channels, by its name: rows up to this id are gone.';

-- The usual modules and kinds are compared before the regular expressions, which they fit. That saves an
-- append most of what the new index costs it. The next step has a look at the rows that are there.
ALTER TABLE {schema}.oasis_events
    DROP CONSTRAINT oasis_events_module,
    DROP CONSTRAINT oasis_events_kind,
    ADD CONSTRAINT oasis_events_module CHECK (
        module = 'CORE' OR octet_length(module) <= 64 AND module ~ '^[A-Z](-?[A-Z0-9])*$') NOT VALID,
    ADD CONSTRAINT oasis_events_kind CHECK (
        kind IN ('workflow_job', 'workflow_run', 'push', 'ping', 'log', 'check_run', 'pull_request',
            'deployment_status', 'check_suite', 'deployment', 'deploy', 'cast.progress')
        OR octet_length(kind) <= 64 AND kind ~ '^[a-z](\.?[a-z0-9_])*$') NOT VALID;

-- Nothing needs the old index any more.
DROP INDEX {schema}.oasis_events_ts;
ALTER INDEX {schema}.oasis_events_devhub_ts RENAME TO oasis_events_ts;
