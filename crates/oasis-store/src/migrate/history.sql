DO $oasis$
DECLARE
    -- `known` lists the version, name and checksum of each step of this build. `older` lists the version,
    -- name and checksum of each older migration. The first step replaces all older migrations.
    known constant jsonb := '{known}';
    older constant jsonb := '{older}';
    applied jsonb;
    found jsonb;
    expected jsonb;
    restored jsonb;
    difference text;
    restore text;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE 'the database has the encoding %, which cannot store every text; nothing was changed',
                current_setting('server_encoding')
            USING HINT = 'Use a database with the encoding UTF8: CREATE DATABASE name ENCODING UTF8 '
                'TEMPLATE template0.';
    END IF;
{take_lock}
    IF to_regnamespace('{schema}') IS NULL THEN
        BEGIN
            CREATE SCHEMA {schema};
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE 'this role may not create the schema {schema_name} (%); nothing was changed', SQLERRM
                USING HINT = format('Run this as the owner of the database, or create the schema first: '
                    'CREATE SCHEMA {schema} AUTHORIZATION %I.', current_user);
        END;
        -- As in the schema public, every role may look up the names of the tables. This gives no right to the
        -- tables.
        GRANT USAGE ON SCHEMA {schema} TO PUBLIC;
    END IF;

    IF to_regclass('{schema}.oasis_schema_history') IS NULL THEN
        CREATE TABLE {schema}.oasis_schema_history (
            version    int8 PRIMARY KEY,
            name       varchar(255),
            applied_on varchar(255),
            checksum   varchar(255)
        );
    END IF;
    -- Every role may read the history, because /ready reports missing migrations even if a service has few
    -- rights.
    ALTER TABLE {schema}.oasis_schema_history ENABLE ROW LEVEL SECURITY;
    GRANT SELECT ON {schema}.oasis_schema_history TO PUBLIC;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = '{schema}.oasis_schema_history'::regclass) THEN
        CREATE POLICY oasis_version ON {schema}.oasis_schema_history FOR SELECT USING (true);
    END IF;

    SELECT coalesce(jsonb_agg(jsonb_build_array(h.version, h.name, h.checksum) ORDER BY h.version), '[]')
        INTO applied FROM {schema}.oasis_schema_history AS h;
    IF applied = '[]' AND to_regclass('{schema}.oasis_events') IS NOT NULL THEN
        RAISE 'there is a table {schema_name}.oasis_events that OASIS DevHub did not make; '
                'nothing was changed'
            USING HINT = 'To keep that table, use another schema, such as OASIS_SCHEMA={another}. '
                'Or rename that table.';
    END IF;
    IF applied = (SELECT coalesce(jsonb_agg(k.step ORDER BY k.nth), '[]')
                  FROM jsonb_array_elements(known) WITH ORDINALITY AS k (step, nth)
                  WHERE k.nth <= jsonb_array_length(applied)) THEN
        RETURN;
    END IF;
    IF applied <> older THEN
        IF applied <@ older THEN
            RAISE 'the database is at version % of the older migrations, which are now one migration; '
                    'nothing was changed', jsonb_array_length(applied)
                USING HINT = format('Bring it to version %s with the build that created it, then run this '
                    'again, or use an empty database.', jsonb_array_length(older));
        END IF;
        RAISE 'the database has migrations that this build does not know (%); nothing was changed',
                (SELECT string_agg(format('V%s__%s', a.step ->> 0, a.step ->> 1), ', ' ORDER BY a.nth)
                 FROM jsonb_array_elements(applied) WITH ORDINALITY AS a (step, nth)
                 WHERE NOT known @> jsonb_build_array(a.step))
            USING HINT = 'Run the build that applied these migrations or a newer build, '
                'or use another database.';
    END IF;

    -- The older migrations created this database. The tables of this database are compared with the tables
    -- that the first step creates. For this comparison, the first step runs in a separate schema, which is
    -- rolled back.
    EXECUTE $oasis_describe${describe}$oasis_describe$ INTO found USING '{schema_name}';
    BEGIN
        CREATE SCHEMA {scratch};
        EXECUTE $oasis_sql${first_step}$oasis_sql$;
        EXECUTE $oasis_describe${describe}$oasis_describe$ INTO expected USING '{scratch}';
        -- A dump contains the text that pg_get_constraintdef returns for each constraint. Some constraints
        -- have fewer parentheses after a restore from this text.
        FOR restore IN
            SELECT format('ALTER TABLE %1$s DROP CONSTRAINT %2$I, ADD CONSTRAINT %2$I %3$s',
                c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
            FROM pg_constraint AS c WHERE c.connamespace = '{scratch}'::regnamespace AND c.contype = 'c'
        LOOP
            EXECUTE restore;
        END LOOP;
        EXECUTE $oasis_describe${describe}$oasis_describe$ INTO restored USING '{scratch}';
        RAISE SQLSTATE 'OASIS';
    EXCEPTION
        WHEN SQLSTATE 'OASIS' THEN NULL;
        WHEN insufficient_privilege THEN
            RAISE 'this role may not create the schema {scratch}, in which the older migrations are compared '
                    'with the current migrations (%); nothing was changed', SQLERRM
                USING HINT = format(
                    'Run this as the owner of the database, or GRANT CREATE ON DATABASE %I TO %I.',
                    current_database(), current_user);
        WHEN duplicate_schema THEN
            RAISE 'the schema {scratch}, in which the older migrations are compared with the current '
                    'migrations, already exists; nothing was changed'
                USING HINT = 'Rename that schema, then run this again.';
    END;
    SELECT string_agg(CASE
            WHEN found ->> name IS NULL THEN format('%s is missing', name)
            WHEN expected ->> name IS NULL THEN format('%s is unexpected', name)
            WHEN length(found ->> name) + length(expected ->> name) > 300 THEN format('%s differs', name)
            ELSE format('%s is %s, not %s', name, found ->> name, expected ->> name) END, '; ' ORDER BY name)
        INTO difference
        FROM (SELECT jsonb_object_keys(found) UNION SELECT jsonb_object_keys(expected)) AS names (name)
        WHERE found ->> name IS DISTINCT FROM expected ->> name
          AND found ->> name IS DISTINCT FROM restored ->> name
          -- Additional and missing policies are accepted. Users add policies for their roles. The first step
          -- creates its policies only if the role service_role exists, and the role may have been created
          -- after the tables.
          AND NOT (name LIKE 'policy %' AND (expected ->> name IS NULL OR found ->> name IS NULL));
    IF difference IS NOT NULL THEN
        RAISE 'the tables of this database differ from the tables that the older migrations create; '
                'nothing was changed. Differences: %', difference
            USING HINT = 'Undo the differences and run this again, or use an empty database.';
    END IF;
    DELETE FROM {schema}.oasis_schema_history;
    INSERT INTO {schema}.oasis_schema_history SELECT (step ->> 0)::int8, step ->> 1,
        to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), step ->> 2
        FROM jsonb_array_element(known, 0) AS step;
END
$oasis$;
