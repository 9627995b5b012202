-- Pages with bounds on ts. ts is the producer's time: it need not follow id, and pages are in id order. So the table is
-- seen in blocks of 8,192 ids, within each of which the rows are found by ts: a page costs one probe for each block that
-- it passes over, and reads hardly a row that is outside the bounds, whatever the producers' clocks said.
-- Writers wait while it is built (it may have been built before, CONCURRENTLY); it does not wait long for them.
SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = 0;
CREATE INDEX IF NOT EXISTS oasis_events_ts ON public.oasis_events ((id >> 13), ts) WITH (deduplicate_items = off);

-- No two entries of these are equal, so looking for duplicates whenever a page is full finds none.
ALTER INDEX public.oasis_events_vtid SET (deduplicate_items = off);
ALTER INDEX public.oasis_events_status SET (deduplicate_items = off);
ALTER INDEX public.oasis_events_kind SET (deduplicate_items = off);
ALTER INDEX public.oasis_events_module SET (deduplicate_items = off);
ALTER INDEX public.oasis_events_layer SET (deduplicate_items = off);

-- The newest ids of channel devhub with ts from since to until, in order; null accepts any value. Where the bounds take few rows
-- of a block these are looked at one by one; where they take many, the index on what the filter names leads (one
-- must be named in full: for statuses or sources both).
-- jit: the planner can't know that the loop ends early, and would compile for longer than it runs. Generic plans:
-- each statement here has but one good plan.
CREATE FUNCTION public.oasis_ids_between(
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
        WHEN kinds IS NOT NULL THEN 'kind' WHEN modules IS NOT NULL THEN 'module' WHEN layers IS NOT NULL THEN 'layer' END;
    wanted bigint := most;
    stride bigint := 1;
    block bigint; oldest bigint; next bigint; first_id bigint; end_id bigint; found bigint[];
BEGIN
    SELECT min(id) >> 13, least(max(id), before - 1) >> 13 INTO oldest, block FROM public.oasis_events;
    WHILE wanted > 0 AND block >= oldest LOOP
        -- Over the blocks with nothing in bounds, with ever longer strides.
        SELECT max(b) INTO next FROM generate_series(greatest(block - stride + 1, oldest), block) AS b
            WHERE (SELECT e.id FROM public.oasis_events AS e WHERE (e.id >> 13) = b AND e.ts >= since AND e.ts <= until
                   ORDER BY (e.id >> 13), e.ts LIMIT 1) IS NOT NULL;
        IF next IS NULL THEN
            block := block - stride;
            stride := least(stride * 2, 64);
            CONTINUE;
        END IF;
        block := next;
        stride := 1;
        first_id := block << 13;
        end_id := least((block + 1) << 13, before);
        found := ARRAY(
            SELECT e.id FROM public.oasis_events AS e
            WHERE (e.id >> 13) = block AND e.ts >= since AND e.ts <= until ORDER BY (e.id >> 13), e.ts LIMIT few + 1);
        IF cardinality(found) BETWEEN 1 AND few THEN
            found := ARRAY(
                SELECT e.id FROM public.oasis_events AS e
                WHERE e.id = ANY (found) AND e.id < end_id AND e.channel = 'devhub'
                  AND (e.vtid = ANY (vtids)) IS NOT FALSE AND (e.status = ANY (statuses)) IS NOT FALSE
                  AND (e.source = ANY (sources)) IS NOT FALSE AND (e.kind = ANY (kinds)) IS NOT FALSE
                  AND (e.module = ANY (modules)) IS NOT FALSE AND (e.layer = ANY (layers)) IS NOT FALSE
                ORDER BY e.id DESC LIMIT wanted);
        ELSIF cardinality(found) > 0 AND lead IS NULL THEN
            found := ARRAY(
                SELECT e.id FROM public.oasis_events AS e
                WHERE e.id >= first_id AND e.id < end_id AND e.ts >= since AND e.ts <= until AND e.channel = 'devhub'
                ORDER BY e.id DESC LIMIT wanted);
        ELSIF cardinality(found) > 0 THEN
            found := ARRAY(
                SELECT e.id FROM (
                    SELECT * FROM public.oasis_events AS v WHERE lead = 'vtid' AND v.vtid = ANY (vtids)
                        AND v.id + 0 >= first_id AND v.id + 0 < end_id AND v.channel = 'devhub'
                    UNION ALL SELECT * FROM public.oasis_events AS s WHERE lead = 'status' AND s.status = ANY (statuses)
                        AND s.source = ANY (sources) AND s.id + 0 >= first_id AND s.id + 0 < end_id AND s.channel = 'devhub'
                    UNION ALL SELECT * FROM public.oasis_events AS k WHERE lead = 'kind' AND k.kind = ANY (kinds)
                        AND k.id + 0 >= first_id AND k.id + 0 < end_id AND k.channel = 'devhub'
                    UNION ALL SELECT * FROM public.oasis_events AS m WHERE lead = 'module' AND m.module = ANY (modules)
                        AND m.id + 0 >= first_id AND m.id + 0 < end_id AND m.channel = 'devhub'
                    UNION ALL SELECT * FROM public.oasis_events AS l WHERE lead = 'layer' AND l.layer = ANY (layers)
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
        block := block - 1;
    END LOOP;
END
$$;

-- Whoever may ask for `since` on the feed may ask for pages by time.
REVOKE ALL ON FUNCTION public.oasis_ids_between(
    timestamptz, timestamptz, bigint, bigint, text[], text[], text[], text[], text[], text[]) FROM PUBLIC;
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        EXECUTE format('REVOKE ALL ON FUNCTION public.oasis_ids_between(timestamptz, timestamptz, bigint, bigint, '
            'text[], text[], text[], text[], text[], text[]) FROM %I', role);
    END LOOP;
    FOR role IN
        SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
        FROM pg_proc, aclexplode(proacl)
        WHERE oid = 'public.oasis_first_id_since(timestamptz)'::regprocedure AND grantee <> proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION public.oasis_ids_between(timestamptz, timestamptz, bigint, bigint, '
            'text[], text[], text[], text[], text[], text[]) TO %s', role);
    END LOOP;
END
$$;
