    -- Only one session at a time migrates a schema. The lock belongs to the transaction, so it is released
    -- even if a pooler keeps the session.
    DECLARE
        holder record;
    BEGIN
        PERFORM pg_advisory_xact_lock({lock});
    EXCEPTION WHEN lock_not_available THEN
        SELECT a.pid, format('session %s (user %s, application "%s")', a.pid, a.usename, a.application_name)
                AS name INTO holder
            FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
              AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
              AND ((l.classid::int8 << 32) | l.objid::int8) = {lock};
        RAISE '% has held the lock for migrations of the schema {schema_name} for more than {wait}; '
                'nothing was changed', coalesce(holder.name, 'another session')
            USING HINT = format('If that session migrates, run this again when it has ended. Otherwise, '
                'end it: SELECT pg_terminate_backend(%s).', coalesce(holder.pid::text, 'PID'));
    END;
