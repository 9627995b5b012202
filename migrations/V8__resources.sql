-- Resource events: the indexes by which their readers catch up.
--
-- The step takes time only if the table is large, because each index reads all of it once. Writers wait
-- meanwhile. Readers do not wait. If the indexes were built beforehand, CONCURRENTLY, the step is short.
SET LOCAL lock_timeout = '3s';

-- An index that was built beforehand and failed is left behind as invalid.
DO $$
DECLARE
    index regclass;
BEGIN
    FOREACH index IN ARRAY ARRAY[
        to_regclass('{schema}.oasis_events_workloads'),
        to_regclass('{schema}.oasis_events_projects'),
        to_regclass('{schema}.oasis_events_clusters'),
        to_regclass('{schema}.oasis_events_resource_vtids')]
    LOOP
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = index AND NOT indisvalid) THEN
            EXECUTE 'DROP INDEX ' || index;
        END IF;
    END LOOP;
END
$$;

-- The events of a workload, of a project and of a cluster. No id is longer than 128 bytes. A longer text,
-- which a program could write with SQL, is not in the index: it could be too large for an entry.
CREATE INDEX IF NOT EXISTS oasis_events_workloads
    ON {schema}.oasis_events ((meta ->> 'workload_id'), (id + 0))
    WHERE channel = 'resources' AND octet_length(meta ->> 'workload_id') <= 128;
CREATE INDEX IF NOT EXISTS oasis_events_projects
    ON {schema}.oasis_events ((meta ->> 'project_id'), (id + 0))
    WHERE channel = 'resources' AND octet_length(meta ->> 'project_id') <= 128;
CREATE INDEX IF NOT EXISTS oasis_events_clusters
    ON {schema}.oasis_events ((meta ->> 'cluster_id'), (id + 0))
    WHERE channel = 'resources' AND octet_length(meta ->> 'cluster_id') <= 128;
-- The resource events of a task.
CREATE INDEX IF NOT EXISTS oasis_events_resource_vtids ON {schema}.oasis_events (vtid, (id + 0))
    WHERE channel = 'resources' AND vtid NOT IN ('UNSET', 'IDLE');
