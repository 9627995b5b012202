//! Tests that migrations can be repeated, can run at the same time, can run as a printed script, and do not
//! change tables of other programs.

use oasis_core::room::Readers;
use oasis_core::{Channel, Family, RoomState};
use oasis_postgres::testing;
use oasis_store::Schema;

use crate::{client, insert_row, parse, plain_insert};

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
    applied.sort();
    assert_eq!(applied, steps);
    client(&db.url).await.batch_execute(&plain_insert(1)).await.unwrap();
}

/// After the printed script has run twice, `migrate` has nothing left to do.
#[tokio::test]
async fn the_printed_script_does_what_migrate_does() {
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    for _ in 0..2 {
        client.batch_execute(&oasis_store::migration_script(&Schema::default())).await.unwrap();
    }
    let migrated = oasis_store::migrate(&parse(&db.url)).await.unwrap();
    assert_eq!(migrated.applied, Vec::<String>::new());
    client.batch_execute(&plain_insert(1)).await.unwrap();
}

/// The transactions of the printed script before the step `before`.
fn script_before(before: &str) -> String {
    let script = oasis_store::migration_script(&Schema::default());
    let transactions = script.split_inclusive("\nCOMMIT;\n");
    transactions.take_while(|transaction| !transaction.contains(&format!("'{before}'"))).collect()
}

/// If a role could call `oasis_ids_between` before a migration replaced the function, the role can also call
/// the new function. Other roles still can't call the function.
#[tokio::test]
async fn roles_keep_their_right_to_a_replaced_function() {
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    client.batch_execute(&script_before("channels")).await.unwrap();
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let (reader, other) = (format!("{name} reader"), format!("{name}_other"));
    let ids_between = "oasis_ids_between(timestamptz, timestamptz, bigint, bigint, \
                       text[], text[], text[], text[], text[], text[])";
    let before = format!(
        "CREATE ROLE \"{reader}\"; CREATE ROLE {other}; \
         GRANT EXECUTE ON FUNCTION {ids_between} TO \"{reader}\""
    );
    client.batch_execute(&before).await.unwrap();
    let migrated = oasis_store::migrate(&parse(&db.url)).await.unwrap();
    assert_eq!(migrated.applied.first().map(String::as_str), Some("V2__channels"));
    for (role, may) in [(&reader, true), (&other, false)] {
        let privilege = "SELECT has_function_privilege($1::text, $2::text, 'EXECUTE')";
        let row = client.query_one(privilege, &[role, &ids_between]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), may, "{role}");
    }
    let clean_up = format!("DROP OWNED BY \"{reader}\"; DROP ROLE \"{reader}\", {other}");
    client.batch_execute(&clean_up).await.unwrap();
}

/// The indexes of steps 2, 7, 8 and 11 may be built beforehand, as docs/database.md describes. If an earlier
/// build of an index failed, the step builds the index again.
#[tokio::test]
async fn indexes_that_were_built_beforehand_are_kept_unless_they_are_invalid() {
    let docs = include_str!("../../../../docs/database.md");
    let builds: Vec<&str> = docs
        .split("```")
        .filter_map(|block| block.strip_prefix("sql\n").filter(|sql| sql.starts_with("CREATE INDEX CONC")))
        .collect();
    assert_eq!(builds.len(), 4, "docs/database.md must build the indexes of steps 2, 7, 8 and 11");
    let builds = builds.concat();
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    client.batch_execute(&script_before("channels")).await.unwrap();
    client.batch_execute(&plain_insert(1)).await.unwrap();
    let definitions = "SELECT pg_get_indexdef(indexrelid), indisvalid, indexrelid::int8 FROM pg_index \
                       JOIN pg_class ON pg_class.oid = indexrelid \
                       WHERE relname LIKE 'oasis_events_%' AND indrelid = 'oasis_events'::regclass \
                       ORDER BY relname";
    for statement in builds.split_inclusive(';').filter(|statement| statement.contains("CREATE")) {
        client.batch_execute(statement).await.unwrap();
    }
    let (good, bad) = (
        [
            "oasis_events_devhub",
            "oasis_events_channel_states",
            "oasis_events_workloads",
            "oasis_events_clusters",
            "oasis_events_runs",
        ],
        [
            "oasis_events_devhub_ts",
            "oasis_events_channel_vtids",
            "oasis_events_projects",
            "oasis_events_resource_vtids",
            "oasis_events_cast_states",
            "oasis_events_cast_titles",
        ],
    );
    let broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text = ANY($1)";
    client.execute(broken, &[&bad.as_slice()]).await.unwrap();
    let built = "SELECT array_agg(to_regclass(name)::oid::int8) FROM unnest($1::text[]) AS name";
    let built =
        async |names: &[&str]| -> Vec<i64> { client.query_one(built, &[&names]).await.unwrap().get(0) };
    let (good, bad) = (built(&good).await, built(&bad).await);
    oasis_store::migrate(&parse(&db.url)).await.unwrap();
    let indexes = client.query(definitions, &[]).await.unwrap();
    let ids: Vec<i64> = indexes.iter().map(|row| row.get(2)).collect();
    assert!(good.iter().all(|id| ids.contains(id)), "the migration must keep the indexes that were built");
    assert!(!bad.iter().any(|id| ids.contains(id)), "the migration must build the invalid indexes again");

    let fresh = crate::database().await;
    let fresh = crate::client(&fresh.url).await.query(definitions, &[]).await.unwrap();
    let described = |rows: &[tokio_postgres::Row]| {
        rows.iter().map(|row| (row.get(0), row.get(1))).collect::<Vec<(String, bool)>>()
    };
    assert_eq!(described(&indexes), described(&fresh));
    assert!(described(&fresh).iter().all(|(_, valid)| *valid));
}

/// A row may have the kind and the channel of a room before the step that adds the states of rooms.
#[tokio::test]
async fn rooms_with_rows_from_before_the_step_get_their_states() {
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    client.batch_execute(&script_before("private_streams")).await.unwrap();
    for (room, kind, meta) in [
        ("room:a", "room.opened", r#"{"owner": "ann"}"#),
        ("room:b", "room.updated", r#"{"owner": "bob"}"#),
        ("room:a", "room.updated", r#"{"readers": "owner"}"#),
    ] {
        client.batch_execute(&insert_row(room, kind, meta)).await.unwrap();
    }
    let migrated = oasis_store::migrate(&parse(&db.url)).await.unwrap();
    assert_eq!(migrated.applied.first().map(String::as_str), Some("V7__private_streams"));
    let rooms = [Channel::stored("room:a"), Channel::stored("room:b")];
    let states = crate::store(&db.url).channels::<RoomState>(&rooms).await.unwrap().states;
    let [state] = &states[..] else { panic!("one room was opened: {states:?}") };
    assert_eq!(
        (state.state.owner.as_deref(), state.state.readers, state.state.last_id),
        (Some("ann"), Readers::Owner, 3)
    );
}

/// The statements of the previous version still work with the current schema, and return the same results.
#[tokio::test]
async fn the_previous_version_works_with_the_current_schema() {
    let db = crate::database().await;
    let client = client(&db.url).await;
    let count = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    for number in 1..=3 {
        client.batch_execute(&plain_insert(number)).await.unwrap();
    }
    let page = "SELECT count(*) FROM (SELECT e.id FROM public.oasis_events AS e \
                WHERE (e.channel = 'devhub') IS TRUE AND e.id > 1 ORDER BY e.id LIMIT 500) AS page";
    assert_eq!(count(page).await, 2);
    let by_time = "SELECT count(*) FROM public.oasis_ids_between( \
                   '-infinity', 'infinity', 3, 50, NULL, NULL, NULL, NULL, NULL, NULL)";
    assert_eq!(count(by_time).await, 2);
    let prune = "WITH mark AS (UPDATE public.oasis_feed_state \
                   SET pruned_through = greatest(pruned_through, 1)), \
                 gone AS (DELETE FROM public.oasis_events WHERE id <= 1 RETURNING 1) \
                 SELECT count(*) FROM gone";
    assert_eq!(count(prune).await, 1);
    assert_eq!(count("SELECT pruned_through FROM public.oasis_feed_state").await, 1);
    let store = crate::store(&db.url);
    assert_eq!(store.first_id_since(&Family::devhub(), jiff::Timestamp::UNIX_EPOCH).await.unwrap(), Some(2));
}
