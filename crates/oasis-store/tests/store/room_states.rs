//! Compares the trigger that keeps `oasis_channels` up to date with the fold of oasis-core, over random
//! histories of rooms. The members of `meta` may have any value.

use std::collections::BTreeMap;

use oasis_core::{Channel, RoomState, StateRow, Ts};
use oasis_store::{ChannelState, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use crate::{client, database, insert_row, store};

/// A row of a history.
#[derive(Debug, Clone)]
struct HistoryRow {
    room: u8,
    kind: &'static str,
    meta: Map<String, Value>,
}

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
    (0..3_u8, proptest::sample::select(kinds.to_vec()), meta).prop_map(|(room, kind, meta)| HistoryRow {
        room,
        kind,
        meta,
    })
}

/// Statements, each with the rows that it inserts.
fn history() -> impl Strategy<Value = Vec<Vec<HistoryRow>>> {
    proptest::collection::vec(proptest::collection::vec(row(), 1..6), 1..6)
}

/// Inserts the rows of one statement, in order.
async fn insert(client: &Client, case: usize, rows: &[HistoryRow]) {
    let values = rows.iter().map(|row| {
        let text = insert_row(
            &format!("room:{case}-{}", row.room),
            row.kind,
            &Value::Object(row.meta.clone()).to_string(),
        );
        let (_, values) = text.split_once("VALUES ").unwrap();
        values.to_owned()
    });
    let (head, _) =
        insert_row("", "", "").split_once("VALUES").map(|(a, b)| (a.to_owned(), b.len())).unwrap();
    let sql = format!("{head} VALUES {}", values.collect::<Vec<_>>().join(", "));
    client.batch_execute(&sql).await.unwrap();
}

/// The states that the fold of oasis-core computes from the stored rows.
async fn folded(client: &Client) -> Vec<ChannelState<RoomState>> {
    let sql = "SELECT id, channel, kind, meta::text, recorded_at FROM oasis_events ORDER BY id";
    let mut states: BTreeMap<String, Option<RoomState>> = BTreeMap::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let meta: Map<String, Value> = serde_json::from_str(row.get(3)).unwrap();
        let recorded: std::time::SystemTime = row.get(4);
        let recorded_at = Ts::clamped(recorded.try_into().unwrap());
        let state = states.entry(row.get(1)).or_default();
        *state = RoomState::fold(
            state.take(),
            StateRow { id: row.get(0), kind: row.get(2), meta: &meta, recorded_at },
        );
    }
    let channels = states.into_iter().filter_map(|(channel, state)| {
        Some(ChannelState { channel: Channel::parse(&channel).unwrap(), state: state? })
    });
    channels.collect()
}

/// The states in the table.
async fn stored(client: &Client, store: &Store) -> Vec<ChannelState<RoomState>> {
    let sql = "SELECT DISTINCT channel COLLATE \"C\" FROM oasis_events";
    let channels = client.query(sql, &[]).await.unwrap();
    let channels: Vec<Channel> = channels.iter().map(|row| Channel::stored(row.get(0))).collect();
    let mut states = store.channels(&channels).await.unwrap().states;
    states.sort_by(|a, b| a.channel.cmp(&b.channel));
    states
}

#[tokio::test]
async fn the_trigger_computes_what_the_fold_of_oasis_core_computes() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let mut runner = TestRunner::deterministic();
    for case in 0..200 {
        for rows in history().new_tree(&mut runner).unwrap().current() {
            insert(&client, case, &rows).await;
        }
    }
    let expected = folded(&client).await;
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
