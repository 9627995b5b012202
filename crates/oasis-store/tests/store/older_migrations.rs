//! Tests databases that the older migrations created. The first step has replaced the older migrations.
//! `oasis migrate` brings these databases up to date, or refuses a database with a reason and changes
//! nothing.

use oasis_postgres::testing::{self, TestDatabase};
use oasis_store::{MigrateError, Need, Schema, migrate, migration_script};
use tokio_postgres::Client;

use crate::{client, parse, plain_insert};

const OLDER: [(&str, &str); 6] = [
    ("V1__oasis_events", include_str!("old_migrations/V1__oasis_events.sql")),
    ("V2__cheaper_checks", include_str!("old_migrations/V2__cheaper_checks.sql")),
    ("V3__pages_by_time", include_str!("old_migrations/V3__pages_by_time.sql")),
    ("V4__checks_are_valid", include_str!("old_migrations/V4__checks_are_valid.sql")),
    ("V5__deploy_watcher", include_str!("old_migrations/V5__deploy_watcher.sql")),
    ("V6__agents", include_str!("old_migrations/V6__agents.sql")),
];

/// Makes a database with the first `steps` of the older migrations, in the same way as the older versions.
async fn older(steps: usize) -> TestDatabase {
    let db = testing::empty_database().await;
    let step = |(name, sql): &(&str, &str)| refinery::Migration::unapplied(name, sql).unwrap();
    let steps: Vec<_> = OLDER[..steps].iter().map(step).collect();
    let mut runner = refinery::Runner::new(&steps);
    let mut client = client(&db.url).await;
    client.batch_execute("SET search_path = public").await.unwrap();
    runner.set_migration_table_name("oasis_schema_history").run_async(&mut client).await.unwrap();
    db
}

/// Brings `db` up to date as `oasis migrate` does or, if `printed`, with the printed script. The error is the
/// message of the refusal.
async fn bring_up_to_date(db: &TestDatabase, printed: bool) -> Result<(), String> {
    if !printed {
        return migrate(&parse(&db.url)).await.map(drop).map_err(|error| error.to_string());
    }
    let refusal = |error: tokio_postgres::Error| {
        let error = error.as_db_error().unwrap();
        format!("{}. {}", error.message(), error.hint().unwrap_or_default())
    };
    client(&db.url).await.batch_execute(&migration_script(&Schema::default())).await.map_err(refusal)
}

/// Every row of every table, including the history, as text.
async fn contents(client: &Client) -> String {
    let tables = "SELECT coalesce(string_agg(xml::text, E'\n' ORDER BY name), '') FROM ( \
                    SELECT relname AS name, query_to_xml( \
                      format('SELECT t.* FROM %I AS t ORDER BY t::text', relname), true, false, '') AS xml \
                    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r') AS tables";
    client.query_one(tables, &[]).await.unwrap().get(0)
}

async fn history(client: &Client) -> Vec<(i64, String, String, String)> {
    let sql = "SELECT version, name, checksum, applied_on FROM oasis_schema_history ORDER BY version";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

fn without_times(history: Vec<(i64, String, String, String)>) -> Vec<(i64, String, String)> {
    history.into_iter().map(|(version, name, checksum, _)| (version, name, checksum)).collect()
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_with_all_its_rows() {
    let fresh = crate::database().await;
    let fresh = without_times(history(&client(&fresh.url).await).await);
    for printed in [false, true] {
        let db = older(6).await;
        let client = client(&db.url).await;
        for number in 1..=3 {
            client.batch_execute(&plain_insert(number)).await.unwrap();
        }
        client
            .batch_execute(
                "DELETE FROM oasis_events WHERE id = 1; UPDATE oasis_feed_state SET pruned_through = 1; \
                 INSERT INTO oasis_watch_state (project, cursor) VALUES ('acme', now()); \
                 GRANT SELECT ON oasis_events TO PUBLIC; CREATE POLICY everyone ON oasis_events USING (true)",
            )
            .await
            .unwrap();
        // Like the restore of a dump, this statement makes the constraints again from the text in the
        // catalogue.
        client
            .batch_execute(
                "DO $$ DECLARE restore text; BEGIN \
                   FOR restore IN SELECT format( \
                       'ALTER TABLE oasis_events DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I %2$s', \
                       conname, pg_get_constraintdef(oid)) FROM pg_constraint \
                       WHERE conrelid = 'oasis_events'::regclass AND contype = 'c' \
                   LOOP EXECUTE restore; END LOOP; END $$",
            )
            .await
            .unwrap();
        let rows = "SELECT jsonb_agg(e ORDER BY id)::text FROM oasis_events AS e \
                    UNION ALL SELECT pruned_through::text FROM oasis_feed_state \
                    UNION ALL SELECT jsonb_agg(w)::text FROM oasis_watch_state AS w";
        let rows = async || {
            let rows = client.query(rows, &[]).await.unwrap();
            rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
        };
        let before = rows().await;
        let reasons = crate::store(&db.url).check(Need::ReadWrite).await.join("; ");
        assert!(reasons.contains("at V6__agents") && reasons.contains("run `oasis migrate`"), "{reasons}");
        bring_up_to_date(&db, printed).await.unwrap();
        assert_eq!(crate::store(&db.url).check(Need::ReadWrite).await, Vec::<String>::new());
        assert_eq!(rows().await, before);
        assert_eq!(without_times(history(&client).await), fresh);
        let scratch = "SELECT count(*) FROM pg_namespace WHERE nspname = 'oasis_scratch'";
        assert_eq!(client.query_one(scratch, &[]).await.unwrap().get::<_, i64>(0), 0);

        let (once, kept) = (history(&client).await, contents(&client).await);
        bring_up_to_date(&db, printed).await.unwrap();
        bring_up_to_date(&db, !printed).await.unwrap();
        assert_eq!((history(&client).await, contents(&client).await), (once, kept));
        client.batch_execute(&plain_insert(4)).await.unwrap();
    }
}

#[tokio::test]
async fn tables_that_differ_from_the_older_migrations_are_refused_and_not_changed() {
    for (nth, (change, named)) in [
        ("DROP INDEX oasis_events_kind", "index oasis_events_kind is missing"),
        ("CREATE INDEX mine ON oasis_events (ts)", "index mine is unexpected"),
        ("ALTER INDEX oasis_events_kind RESET (deduplicate_items)", "index oasis_events_kind is CREATE"),
        (
            "ALTER TABLE oasis_events DROP CONSTRAINT oasis_events_meta",
            "constraint oasis_events_meta of oasis_events is missing",
        ),
        (
            "ALTER TABLE oasis_events DROP CONSTRAINT oasis_events_ts, \
             ADD CONSTRAINT oasis_events_ts \
                 CHECK (ts >= '0001-01-01 00:00:00+00' AND ts < '9999-12-30 00:00:00+00') NOT VALID",
            "constraint oasis_events_ts of oasis_events",
        ),
        ("ALTER TABLE oasis_events ADD mine int", "column oasis_events.mine is unexpected"),
        (
            "ALTER TABLE oasis_events ALTER recorded_at SET DEFAULT now()",
            "DEFAULT now() at 12, not timestamp with time zone NOT NULL DEFAULT clock_timestamp() at 12",
        ),
        (
            "ALTER TABLE oasis_events ALTER link TYPE text COLLATE \"POSIX\"",
            "column oasis_events.link is text COLLATE POSIX",
        ),
        ("ALTER TABLE oasis_events ALTER id SET GENERATED BY DEFAULT", "BY DEFAULT at 1, not bigint"),
        ("ALTER SEQUENCE oasis_events_id_seq CACHE 5", "sequence oasis_events_id_seq is"),
        (
            "ALTER TABLE oasis_events ENABLE TRIGGER oasis_events_order",
            "trigger oasis_events_order of oasis_events is CREATE TRIGGER",
        ),
        (
            "CREATE OR REPLACE FUNCTION oasis_events_notify() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN RETURN NULL; END'",
            "function oasis_events_notify() ",
        ),
        ("ALTER FUNCTION oasis_events_order() RESET lock_timeout", "function oasis_events_order() "),
        ("ALTER TABLE oasis_feed_state DISABLE ROW LEVEL SECURITY", "table oasis_feed_state is"),
        ("DROP TABLE oasis_watch_state", "column oasis_watch_state.cursor is missing"),
    ]
    .into_iter()
    .enumerate()
    {
        let db = older(6).await;
        let client = client(&db.url).await;
        client.batch_execute(&plain_insert(1)).await.unwrap();
        client.batch_execute(change).await.unwrap();
        let before = contents(&client).await;
        let refused = bring_up_to_date(&db, nth % 2 == 0).await.unwrap_err();
        assert!(refused.contains(named) && refused.contains("nothing was changed"), "{change}: {refused}");
        let (_, differences) = refused.split_once("Differences: ").unwrap();
        let (differences, _) = differences.rsplit_once(". Undo").unwrap();
        // If a table was dropped, its columns and constraints are missing too.
        let all = if change.starts_with("DROP TABLE") { 11 } else { 1 };
        assert_eq!(differences.split("; ").count(), all, "{change}: {differences}");
        assert_eq!(contents(&client).await, before, "{change}");
        let scratch = "SELECT count(*) FROM pg_namespace WHERE nspname = 'oasis_scratch'";
        assert_eq!(client.query_one(scratch, &[]).await.unwrap().get::<_, i64>(0), 0);
    }
}

#[tokio::test]
async fn an_incomplete_set_of_older_migrations_is_refused() {
    for printed in [false, true] {
        let db = older(3).await;
        let client = client(&db.url).await;
        let before = contents(&client).await;
        let refused = bring_up_to_date(&db, printed).await.unwrap_err();
        assert!(refused.contains("at version 3 of the older migrations"), "{refused}");
        assert!(refused.contains("Bring it to version 6"), "{refused}");
        assert_eq!(contents(&client).await, before);
    }
}

/// A history is refused if a newer build wrote it or if somebody changed it.
#[tokio::test]
async fn a_history_with_unknown_migrations_is_refused() {
    for (change, named) in [
        (
            "INSERT INTO oasis_schema_history SELECT 99, 'later', applied_on, '7' FROM oasis_schema_history",
            "V99__later",
        ),
        ("UPDATE oasis_schema_history SET checksum = '7' WHERE version = 1", "V1__oasis_events"),
    ] {
        let db = crate::database().await;
        let client = client(&db.url).await;
        client.batch_execute(&format!("{change} LIMIT 1").replace("1 LIMIT 1", "1")).await.unwrap();
        let before = contents(&client).await;
        for printed in [false, true] {
            let refused = bring_up_to_date(&db, printed).await.unwrap_err();
            assert!(refused.contains("does not know") && refused.contains(named), "{refused}");
            assert_eq!(contents(&client).await, before);
        }
    }
}

/// If a role may not create the schema for the comparison, the error names the right that the role needs.
#[tokio::test]
async fn a_role_that_may_not_create_the_scratch_schema_gets_a_hint_about_the_right() {
    let db = older(6).await;
    let owner = client(&db.url).await;
    let role = format!("oasis_migrator_{}", std::process::id());
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    for table in ["events", "events_lock", "feed_state", "watch_state", "unread_entries", "schema_history"] {
        owner.batch_execute(&format!("ALTER TABLE oasis_{table} OWNER TO {role}")).await.unwrap();
    }
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("pw")).unwrap();
    let before = contents(&owner).await;
    let error = migrate(&parse(url.as_str())).await.unwrap_err();
    assert!(matches!(error, MigrateError::Failed(_)));
    for words in ["may not create the schema oasis_scratch", "GRANT CREATE ON DATABASE"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(contents(&owner).await, before);
    let database: String = owner.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    owner.batch_execute(&format!("GRANT CREATE ON DATABASE {database} TO {role}")).await.unwrap();
    owner
        .batch_execute(&format!(
            "REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"
        ))
        .await
        .unwrap();
}
