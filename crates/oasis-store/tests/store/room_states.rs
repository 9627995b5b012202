//! Compares the trigger that keeps `oasis_channels` up to date with the fold of oasis-core, over random
//! histories of rooms. The members of `meta` may have any value.

use oasis_core::RoomState;
use oasis_core::room::ROOMS;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::histories::{HistoryRow, folded, insert, stored};
use crate::{client, database, insert_row, store};

fn hostile() -> impl Strategy<Value = Value> {
    let texts = ["ann", "bob", "", "signed_in", "owner", "Owner", "' || \"", "\u{1f680}"];
    prop_oneof![
        6 => proptest::sample::select(texts.to_vec()).prop_map(Value::from),
        2 => (250_usize..260).prop_map(|size| "x".repeat(size).into()),
        1 => (84_usize..88).prop_map(|size| "\u{20ac}".repeat(size).into()),
        2 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(json!(["ann"])),
        1 => Just(json!({"owner": "ann"})),
    ]
}

fn row() -> impl Strategy<Value = HistoryRow> {
    let kinds = ["room.opened", "room.updated", "room.updated", "room.closed", "log", "room.other"];
    let meta = ["owner", "title", "readers", "other"].map(|key| {
        proptest::option::of(hostile()).prop_map(move |value| value.map(|value| (key.to_owned(), value)))
    });
    let meta = meta.prop_map(|members| members.into_iter().flatten().collect());
    (0..3_u8, proptest::sample::select(kinds.to_vec()), meta).prop_map(|(channel, kind, meta)| HistoryRow {
        channel,
        kind,
        meta,
    })
}

/// Statements, each with the rows that it inserts.
fn history() -> impl Strategy<Value = Vec<Vec<HistoryRow>>> {
    proptest::collection::vec(proptest::collection::vec(row(), 1..6), 1..6)
}

#[tokio::test]
async fn the_trigger_computes_what_the_fold_of_oasis_core_computes() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let mut runner = TestRunner::deterministic();
    for case in 0..200 {
        for rows in history().new_tree(&mut runner).unwrap().current() {
            insert(&client, ROOMS, case, &rows).await.unwrap();
        }
    }
    let expected = folded(&client, RoomState::fold).await;
    assert!(expected.len() > 200, "{}", expected.len());
    assert_eq!(stored(&client, &store).await, expected);

    // The migration computes the same states from rows that exist already.
    client.batch_execute("DELETE FROM oasis_channels").await.unwrap();
    let added = "SELECT count(*) FROM oasis_channels_rebuild('', NULL) WHERE outcome = 'added'";
    let added: i64 = client.query_one(added, &[]).await.unwrap().get(0);
    assert_eq!(added, expected.len() as i64);
    assert_eq!(stored(&client, &store).await, expected);
}

/// Rows of any kind in other channels create no state.
#[tokio::test]
async fn rows_of_other_channels_have_no_state() {
    let db = database().await;
    let client = client(&db.url).await;
    for channel in ["devhub", "room", "rooms:1", "cast:1", "access"] {
        client.batch_execute(&insert_row(channel, "room.opened", "{}")).await.unwrap();
    }
    let count = client.query_one("SELECT count(*) FROM oasis_channels", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 0);
}
