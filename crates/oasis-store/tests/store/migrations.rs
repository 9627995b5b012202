//! Migrations: repeatable, safe by many at once, careful with what is there, and the same through psql.

use oasis_postgres::testing;
use oasis_store::MigrateError;

use crate::{client, parse, plain_insert};

#[tokio::test]
async fn many_migrators_at_once_apply_each_step_once() {
    let db = testing::empty_database().await;
    let url = parse(&db.url);
    let mut migrators = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        migrators.spawn(async move { oasis_store::migrate(&url).await.unwrap() });
    }
    let mut applied = Vec::new();
    while let Some(migrated) = migrators.join_next().await {
        applied.extend(migrated.unwrap().applied);
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let files =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut steps: Vec<String> = files.map(|name| name.trim_end_matches(".sql").to_owned()).collect();
    steps.sort();
    assert_eq!(applied, steps);
    client(&db.url).await.batch_execute(&plain_insert(1)).await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_left_alone() {
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    client.batch_execute("CREATE TABLE oasis_events (id uuid, vtid text, extra int)").await.unwrap();
    let error = oasis_store::migrate(&parse(&db.url)).await.unwrap_err();
    assert!(matches!(error, MigrateError::Foreign(_)), "{error}");
    for difference in ["column id is uuid, not bigint", "column ts is missing", "column extra is not ours"] {
        assert!(error.to_string().contains(difference), "{error}");
    }
    let tables =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    assert_eq!(client.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// The printed script, twice, then our own migrator: one database, nothing left to do.
#[tokio::test]
async fn the_printed_script_does_the_same() {
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    for _ in 0..2 {
        client.batch_execute(&oasis_store::migration_script()).await.unwrap();
    }
    let migrated = oasis_store::migrate(&parse(&db.url)).await.unwrap();
    assert_eq!(migrated.applied, Vec::<String>::new());
    client.batch_execute(&plain_insert(1)).await.unwrap();

    let foreign = testing::empty_database().await;
    let client = crate::client(&foreign.url).await;
    client.batch_execute("CREATE TABLE oasis_events (id uuid)").await.unwrap();
    assert!(client.batch_execute(&oasis_store::migration_script()).await.is_err());
}

/// Whoever was let in to `since` before a migration may ask for pages by time after it, and nobody else may.
#[tokio::test]
async fn a_new_function_is_for_whom_the_old_one_was_for() {
    let db = testing::empty_database().await;
    oasis_store::migrate(&parse(&db.url)).await.unwrap();
    let client = client(&db.url).await;
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let (reader, other) = (format!("{name} reader"), format!("{name}_other"));
    let ids_between = "oasis_ids_between(timestamptz, timestamptz, bigint, bigint, \
                       text[], text[], text[], text[], text[], text[])";
    let before = format!(
        "CREATE ROLE \"{reader}\"; CREATE ROLE {other}; DROP FUNCTION {ids_between}; \
         GRANT EXECUTE ON FUNCTION oasis_first_id_since TO \"{reader}\""
    );
    client.batch_execute(&before).await.unwrap();
    client.batch_execute(include_str!("old_migrations/V3__pages_by_time.sql")).await.unwrap();
    for (role, may) in [(&reader, true), (&other, false)] {
        let asked = "SELECT has_function_privilege($1::text, $2::text, 'EXECUTE')";
        let row = client.query_one(asked, &[role, &ids_between]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), may, "{role}");
    }
    let leave = format!("DROP OWNED BY \"{reader}\"; DROP ROLE \"{reader}\", {other}");
    client.batch_execute(&leave).await.unwrap();
}
