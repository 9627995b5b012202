DO $oasis$
BEGIN
{take_lock}
    IF EXISTS (SELECT FROM {schema}.oasis_schema_history
               WHERE version = {version} AND checksum = '{checksum}') THEN
        RETURN;
    END IF;
    IF (SELECT checksum FROM {schema}.oasis_schema_history ORDER BY version DESC LIMIT 1)
            IS DISTINCT FROM {previous} THEN
        RAISE 'V{version}__{name} is not the next migration of this database; nothing was changed'
            USING HINT = 'Run the whole script from its beginning, or run `oasis migrate`.';
    END IF;
    EXECUTE $oasis_sql${sql}$oasis_sql$;
    INSERT INTO {schema}.oasis_schema_history VALUES ({version}, '{name}',
        to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '{checksum}');
    RAISE NOTICE '{notice}';
END
$oasis$;
