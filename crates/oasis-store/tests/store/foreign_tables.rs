//! Tests databases in which another application has its own table `oasis_events`. OASIS DevHub refuses the
//! table, names the remedy, and works in another schema of the same database.

use oasis_postgres::testing;
use oasis_store::{MigrateError, Need, Schema, migrate_in, migration_script};
use tokio::time::Instant;

use crate::{client, collect, follow, new, parse, store, store_in, until_up};

/// A table with its own ids, names and statuses.
const TOPICS: &str = "\
    CREATE TABLE oasis_events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), \
      created_at timestamptz DEFAULT now(), vtid text NOT NULL, topic text NOT NULL, service text NOT NULL, \
      role text, model text, status text CHECK (status IN ('success', 'error', 'warning', 'info')), \
      message text, link text, metadata jsonb)";
/// Later columns of that table. Some of them have the names of our columns.
const MORE_COLUMNS: &str = "\
    ALTER TABLE oasis_events ADD layer text, ADD module text, ADD source text, ADD kind text, \
      ADD title text, ADD ref text, ADD meta jsonb DEFAULT '{}', ADD projected boolean DEFAULT false, \
      ADD task_stage text, ADD actor_id text, ADD actor_email text";
/// An older table with another name.
const CAMEL_CASE: &str = "\
    CREATE TABLE \"OasisEvent\" (id text PRIMARY KEY, rid text, service text, event text, tenant text, \
      status text, notes text, git_sha text, metadata jsonb, created_at timestamptz DEFAULT now())";

/// The names of all tables in the schema `public`.
async fn public_tables(client: &tokio_postgres::Client) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class \
               WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_table_of_another_application_is_refused_with_the_remedy_and_not_changed() {
    for (shape, difference) in [
        (TOPICS.to_owned(), "column kind is missing"),
        (format!("{TOPICS}; {MORE_COLUMNS}"), "column task_stage is unexpected"),
    ] {
        let db = testing::empty_database().await;
        let client = client(&db.url).await;
        client.batch_execute(&shape).await.unwrap();
        let error = oasis_store::migrate(&parse(&db.url)).await.unwrap_err();
        assert!(matches!(error, MigrateError::Foreign { .. }), "{error}");
        for words in ["column id is uuid, not bigint", "column ts is missing", difference] {
            assert!(error.to_string().contains(words), "{error}");
        }
        let script = migration_script(&Schema::default());
        let printed = client.batch_execute(&script).await.unwrap_err();
        let printed = printed.as_db_error().unwrap();
        let printed = format!("{}. {}", printed.message(), printed.hint().unwrap());
        for text in [error.to_string(), printed] {
            assert!(text.contains("public.oasis_events that OASIS DevHub did not make"), "{text}");
            assert!(text.contains("OASIS_SCHEMA=devhub. Or rename that table"), "{text}");
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(public_tables(&client).await, ["oasis_events"]);
        for need in [Need::Read, Need::Write, Need::ReadWrite] {
            let reasons = store(&db.url).check(need).await;
            assert_eq!(reasons.len(), 1, "{reasons:?}");
            assert!(
                reasons[0].starts_with(
                    "the table public.oasis_events is not from OASIS DevHub (column id is uuid, not bigint, "
                ),
                "{reasons:?}"
            );
            assert!(reasons[0].contains("set OASIS_SCHEMA to another schema"), "{reasons:?}");
        }
    }
}

/// The other application continues to write to its table. No event of one application appears in the table of
/// the other.
#[tokio::test]
async fn another_application_and_devhub_work_in_one_database() {
    let devhub: Schema = "devhub".parse().unwrap();
    let insert =
        "INSERT INTO oasis_events (vtid, topic, service, status) VALUES ('SYSTEM', 'a.b', 'c', 'error')";
    for shape in [TOPICS.to_owned(), format!("{TOPICS}; {MORE_COLUMNS}")] {
        let db = testing::empty_database().await;
        let theirs = client(&db.url).await;
        theirs.batch_execute(&shape).await.unwrap();
        theirs.batch_execute(insert).await.unwrap();
        migrate_in(&parse(&db.url), &devhub).await.unwrap();
        let ours = store_in(&db.url, &devhub);
        assert_eq!(ours.check(Need::ReadWrite).await, Vec::<String>::new());
        let mut updates = follow(ours.tail());
        until_up(&mut updates).await;
        theirs.batch_execute(insert).await.unwrap();
        ours.appender().unwrap().append(vec![new("DEV-TEST-0001", None)], Instant::now()).await.unwrap();
        assert_eq!(collect(&mut updates, 1).await.len(), 1);
        let count =
            "SELECT (SELECT count(*) FROM public.oasis_events), (SELECT count(*) FROM devhub.oasis_events)";
        let counts = theirs.query_one(count, &[]).await.unwrap();
        assert_eq!((counts.get::<_, i64>(0), counts.get::<_, i64>(1)), (2, 1));
        assert_eq!(public_tables(&theirs).await, ["oasis_events"]);
    }
}

#[tokio::test]
async fn a_table_with_another_name_is_no_obstacle() {
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    client.batch_execute(CAMEL_CASE).await.unwrap();
    oasis_store::migrate(&parse(&db.url)).await.unwrap();
    assert_eq!(store(&db.url).check(Need::ReadWrite).await, Vec::<String>::new());
    client.batch_execute("INSERT INTO \"OasisEvent\" (id) VALUES ('1')").await.unwrap();
}

/// The table was replaced after it had been migrated, so there is a history of migrations.
#[tokio::test]
async fn a_table_with_a_history_but_other_columns_is_named() {
    let db = crate::database().await;
    let client = client(&db.url).await;
    client.batch_execute(&format!("DROP TABLE oasis_events CASCADE; {TOPICS}")).await.unwrap();
    let reasons = store(&db.url).check(Need::ReadWrite).await;
    assert!(reasons[0].contains("public.oasis_events is not from OASIS DevHub"), "{reasons:?}");
    client.batch_execute("DROP TABLE oasis_events").await.unwrap();
    let reasons = store(&db.url).check(Need::ReadWrite).await;
    assert!(reasons[0].contains("oasis_events no longer exists"), "{reasons:?}");
}
