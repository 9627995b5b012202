-- Finds the projects and clusters of workloads, which most resource events do not name.
--
-- A function keeps its plans, but PostgreSQL plans each statement of a program again. That takes longer than
-- the reads.

-- The wider places that the last events of each workload and of each project named, and the ids of these
-- events. The projects of the workloads are read, too. Only the last 64 events of a place are read. Almost
-- always, the last event names the wider places, but a place may have no event that names them.
CREATE FUNCTION {schema}.oasis_wider_places(
    workloads text[], projects text[],
    OUT is_workload boolean, OUT place text,
    OUT project text, OUT project_at bigint, OUT cluster text, OUT cluster_at bigint
) RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    more text[] := projects;
BEGIN
    is_workload := true;
    FOREACH place IN ARRAY workloads LOOP
        SELECT last.named, last.id INTO project, project_at FROM (
            SELECT e.id, CASE WHEN jsonb_typeof(e.meta -> 'project_id') = 'string'
                THEN e.meta ->> 'project_id' END AS named
            FROM {schema}.oasis_events AS e
            WHERE e.channel = 'resources' AND octet_length(e.meta ->> 'workload_id') <= 128
              AND e.meta ->> 'workload_id' = place
            ORDER BY (e.id + 0) DESC LIMIT 64) AS last
        WHERE last.named IS NOT NULL LIMIT 1;
        SELECT last.named, last.id INTO cluster, cluster_at FROM (
            SELECT e.id, CASE WHEN jsonb_typeof(e.meta -> 'cluster_id') = 'string'
                THEN e.meta ->> 'cluster_id' END AS named
            FROM {schema}.oasis_events AS e
            WHERE e.channel = 'resources' AND octet_length(e.meta ->> 'workload_id') <= 128
              AND e.meta ->> 'workload_id' = place
            ORDER BY (e.id + 0) DESC LIMIT 64) AS last
        WHERE last.named IS NOT NULL LIMIT 1;
        more := more || project;
        RETURN NEXT;
    END LOOP;
    is_workload := false;
    project := NULL;
    project_at := NULL;
    FOR place IN SELECT DISTINCT one.id FROM unnest(more) AS one (id) WHERE one.id IS NOT NULL LOOP
        SELECT last.named, last.id INTO cluster, cluster_at FROM (
            SELECT e.id, CASE WHEN jsonb_typeof(e.meta -> 'cluster_id') = 'string'
                THEN e.meta ->> 'cluster_id' END AS named
            FROM {schema}.oasis_events AS e
            WHERE e.channel = 'resources' AND octet_length(e.meta ->> 'project_id') <= 128
              AND e.meta ->> 'project_id' = place
            ORDER BY (e.id + 0) DESC LIMIT 64) AS last
        WHERE last.named IS NOT NULL LIMIT 1;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The function reads with the rights of its caller, so every role may call it. Web clients of Supabase have
-- no use for it.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE 'REVOKE ALL ON FUNCTION {schema}.oasis_wider_places(text[], text[]) FROM ' || role;
    END LOOP;
END
$$;
