-- Rows of all real writers get in, and a wrong clock does no harm.
SET LOCAL lock_timeout = '3s';

-- A task's name may be any id that teams use: DEV-COMMU-0042.G, VTID-01260A, DEV-COMHU-2025-0015,
-- BOOTSTRAP-ORB-DELAY. The grammar is [A-Z][A-Z0-9]{1,15}(-[A-Z0-9]{1,32}){1,5}(\.[A-Z0-9]{1,8})?, with at
-- most 64 bytes. Counted repetitions make a regular expression slow (see step 1), so lengths are compared
-- separately. A segment of more than 32 characters needs a name of more than 35.
--
-- The previous version writes only names that the wider constraints accept, and it reads any name. The next
-- step validates the constraints.
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
            END) NOT VALID,
    -- A client may write this column, and one infinite time would make every page with its row unreadable.
    ADD CONSTRAINT oasis_events_recorded_at CHECK (
        recorded_at >= '0001-01-01 00:00:00+00' AND recorded_at < '9999-12-30 00:00:00+00') NOT VALID;

-- The first id recorded at or after an instant, or null. Ids are in the order of commits, so recorded_at is
-- in the order of ids while the database's clock is right. The function finds the id by bisection.
--
-- The clock may have been wrong for a while. A time is implausible if it is in the future, before the first
-- version of this program, or before the time of an older row. Looking at all older rows would take too
-- long, so the function looks back 1 id, 8, 64 and so on. It steps over rows with implausible times. If no
-- row after them shows that they are old, they count as young. So the answer may be too low, but no young
-- row is below it.
CREATE OR REPLACE FUNCTION {schema}.oasis_first_id_since(instant timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    latest constant timestamptz := clock_timestamp();
    earliest timestamptz := '2020-01-01 00:00:00+00';
    low bigint; high bigint; middle bigint; next_id bigint; stride bigint;
    first_id bigint; found_id bigint; recorded timestamptz; answer bigint;
BEGIN
    SELECT min(id), max(id) INTO low, high FROM {schema}.oasis_events;
    WHILE low <= high LOOP
        middle := low + (high - low) / 2;
        -- The first row from the middle on, and the first of these rows with a plausible time.
        first_id := NULL;
        next_id := middle;
        stride := 1;
        LOOP
            SELECT id, recorded_at INTO found_id, recorded
                FROM {schema}.oasis_events WHERE id BETWEEN next_id AND high ORDER BY id LIMIT 1;
            first_id := coalesce(first_id, found_id);
            EXIT WHEN found_id IS NULL OR recorded BETWEEN instant AND latest;
            EXIT WHEN recorded >= earliest AND recorded < instant AND NOT EXISTS (
                SELECT FROM generate_series(0, 60, 3) AS k
                CROSS JOIN LATERAL (
                    SELECT e.recorded_at FROM {schema}.oasis_events AS e
                    WHERE e.id BETWEEN low AND greatest(low, found_id - (1::bigint << k))
                    ORDER BY e.id DESC LIMIT 1) AS older
                WHERE 1::bigint << k < 8 * (found_id - low)
                  AND older.recorded_at > recorded AND older.recorded_at <= latest);
            next_id := found_id + stride;
            stride := stride * 2;
        END LOOP;
        IF found_id IS NOT NULL AND recorded < instant THEN
            earliest := recorded;
            low := found_id + 1;
        ELSE
            answer := coalesce(first_id, answer);
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN answer;
END
$$;
