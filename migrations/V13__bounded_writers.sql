-- Ends the transaction of a writer that holds the lock for long, even if the session is busy.
--
-- A writer with only the right to INSERT may, perhaps by mistake, let other work follow the INSERT: all other
-- writers wait for the lock meanwhile. The owner of the table is not limited. A restore and a logical
-- subscriber need long transactions, and usually run as the owner or as a superuser.
CREATE OR REPLACE FUNCTION {schema}.oasis_events_order() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '3s'
AS $$
DECLARE
    most constant interval := '15s';
    -- Also takes the results of set_config, because an assignment is cheaper than PERFORM.
    setting text := current_setting('idle_in_transaction_session_timeout');
BEGIN
    LOCK TABLE {schema}.oasis_events_lock IN EXCLUSIVE MODE;
    -- A session that leaves the transaction open blocks every other writer.
    IF setting = '0' OR setting::interval > most THEN
        setting := set_config('idle_in_transaction_session_timeout', '15s', true);
    END IF;
    -- A crash would lose a row that readers have seen, and use its id again.
    IF current_setting('synchronous_commit') = 'off' THEN
        setting := set_config('synchronous_commit', 'local', true);
    END IF;
    IF session_user <> current_user AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        setting := current_setting('transaction_timeout', true);
        IF setting IS NULL THEN
            -- Before version 17, PostgreSQL can only limit each of the statements that follow.
            setting := current_setting('statement_timeout');
            IF setting = '0' OR setting::interval > most THEN
                setting := set_config('statement_timeout', '15s', true);
            END IF;
        ELSIF setting = '0' OR setting::interval > most THEN
            -- A timer that runs already is not changed, but 0 stops it.
            setting := set_config('transaction_timeout', '0', true);
            setting := set_config('transaction_timeout', '15s', true);
        END IF;
    END IF;
    RETURN NULL;
END
$$;
