//! Random histories of channels, to compare the trigger that keeps `oasis_channels` up to date with the folds
//! of oasis-core.

use std::collections::BTreeMap;

use oasis_core::{Channel, StateRow, Ts};
use oasis_store::{ChannelState, Store, StoredState};
use serde_json::{Map, Value};
use tokio_postgres::{Client, Error};

use crate::insert_row;

/// A row of a history.
#[derive(Debug, Clone)]
pub(crate) struct HistoryRow {
    /// The number of the channel within its history.
    pub(crate) channel: u8,
    pub(crate) kind: &'static str,
    pub(crate) meta: Map<String, Value>,
}

/// Inserts the rows of one statement, in order. The channels of the history have the names
/// `{family}:{case}-{number}`.
pub(crate) async fn insert(
    client: &Client,
    family: &str,
    case: usize,
    rows: &[HistoryRow],
) -> Result<(), Error> {
    let values = rows.iter().map(|row| {
        let channel = format!("{family}:{case}-{}", row.channel);
        let text = insert_row(&channel, row.kind, &Value::Object(row.meta.clone()).to_string());
        let (_, values) = text.split_once("VALUES ").unwrap();
        values.to_owned()
    });
    let sql = insert_row("", "", "");
    let (head, _) = sql.split_once("VALUES").unwrap();
    let sql = format!("{head} VALUES {}", values.collect::<Vec<_>>().join(", "));
    client.batch_execute(&sql).await
}

/// The states that a fold of oasis-core computes from the stored rows.
pub(crate) async fn folded<S>(
    client: &Client,
    fold: impl Fn(Option<S>, StateRow<'_>) -> Option<S>,
) -> Vec<ChannelState<S>> {
    let sql = "SELECT id, channel, kind, meta::text, recorded_at FROM oasis_events ORDER BY id";
    let mut states: BTreeMap<String, Option<S>> = BTreeMap::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let meta: Map<String, Value> = serde_json::from_str(row.get(3)).unwrap();
        let recorded: std::time::SystemTime = row.get(4);
        let recorded_at = Ts::clamped(recorded.try_into().unwrap());
        let state = states.entry(row.get(1)).or_insert(None);
        let row = StateRow { id: row.get(0), kind: row.get(2), meta: &meta, recorded_at };
        *state = fold(state.take(), row);
    }
    let channels = states.into_iter().filter_map(|(channel, state)| {
        Some(ChannelState { channel: Channel::parse(&channel).unwrap(), state: state? })
    });
    channels.collect()
}

/// The states in the table.
pub(crate) async fn stored<S: StoredState>(client: &Client, store: &Store) -> Vec<ChannelState<S>> {
    let sql = "SELECT DISTINCT channel COLLATE \"C\" FROM oasis_events";
    let channels = client.query(sql, &[]).await.unwrap();
    let channels: Vec<Channel> = channels.iter().map(|row| Channel::stored(row.get(0))).collect();
    let mut states = store.channels(&channels).await.unwrap().states;
    states.sort_by(|a, b| a.channel.cmp(&b.channel));
    states
}
