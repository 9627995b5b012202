//! The simulated table: rows in id order, retention marks, and servers that fail or lag.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{Channel, Family, Kind, Layer, Meta, Module, Source, Status, Task, Ts};
use oasis_store::{Filter, StoreError, StoredEvent};
use serde_json::json;
use tokio::time::sleep;

use super::super::test_stream::CLOSED;
use super::rng::Rng;
use crate::fanout::table::{Read, Rows, Selected, Table};

/// The maximum number of rows in one batch. This number is small, so that many batches are needed.
const BATCH: usize = 7;
/// The longest pause before or after the snapshot of a slow read, in milliseconds.
const SLOWEST: u64 = 400;

/// The head of each restored table, in the order of the restores.
pub(in crate::streams) type Restores = Rc<RefCell<Vec<i64>>>;

/// Every row that was appended, including pruned rows, but without the rows that a restore has lost.
pub(in crate::streams) type History = Rc<RefCell<Vec<HistoryRow>>>;

/// One row of the history.
pub(in crate::streams) struct HistoryRow {
    pub(in crate::streams) id: i64,
    pub(in crate::streams) channel: Channel,
    pub(in crate::streams) module: &'static str,
}

#[derive(Default)]
pub(in crate::streams) struct State {
    pub(in crate::streams) rows: Vec<StoredEvent>,
    /// The ids up to which the families `devhub` and `test` have been pruned.
    pub(in crate::streams) pruned: (i64, i64),
    pub(in crate::streams) next: i64,
    /// Whether the pool's server is out of reach.
    pub(in crate::streams) away: bool,
    /// The last id that the pool's server has; `None` if the server has all rows.
    pub(in crate::streams) replicated: Option<i64>,
    /// The generator of random pauses, in a world with slow reads.
    pub(super) slow: Option<Rng>,
}

impl State {
    /// The pauses before and after the snapshot of a read, in milliseconds.
    fn pauses(&mut self) -> (u64, u64) {
        self.slow.as_mut().map_or((0, 0), |rng| (rng.below(SLOWEST), rng.below(SLOWEST)))
    }

    pub(in crate::streams) fn head(&self) -> i64 {
        self.rows.last().map_or(0, |row| row.id).max(self.pruned.0).max(self.pruned.1)
    }

    pub(in crate::streams) fn append(&mut self, channel: Channel, closes: bool, module: &str) -> i64 {
        self.next += 1;
        let id = self.next;
        let text = json!({ "text": id.to_string() }).to_string();
        let kind = if closes { CLOSED } else { "line" };
        self.rows.push(StoredEvent {
            id,
            ts: Ts::clamped(Timestamp::UNIX_EPOCH),
            task: Task::Unset,
            layer: Layer::unset(),
            module: Module::parse(module).unwrap(),
            source: Source::OasisEvents,
            kind: Kind::parse(kind).unwrap(),
            status: Status::Info,
            title: "".into(),
            reference: "".into(),
            link: None,
            channel,
            recorded_at: Timestamp::UNIX_EPOCH,
            meta: Some(Meta::stored(text)),
        });
        id
    }
}

/// The table, as the connection pool reads it.
#[derive(Clone, Default)]
pub(in crate::streams) struct SimTable(pub(in crate::streams) Arc<Mutex<State>>);

impl SimTable {
    /// Reads a snapshot. In worlds with slow reads, time passes before and after the snapshot.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&State, i64) -> T + Send + 'static,
    ) -> Read<'static, T> {
        let table = self.clone();
        Box::pin(async move {
            let (before, after) = table.lock().pauses();
            if before + after > 0 {
                sleep(Duration::from_millis(before)).await;
            }
            let outcome = {
                let state = table.lock();
                if state.away {
                    Err(StoreError::Connect("the simulated server is not available".into()).into())
                } else {
                    let visible = state.replicated.unwrap_or(i64::MAX);
                    Ok(read(&state, visible))
                }
            };
            if before + after > 0 {
                sleep(Duration::from_millis(after)).await;
            }
            outcome
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Table for SimTable {
    fn page<'a>(&'a self, rows: &'a Selected, after: i64, upto: i64) -> Read<'a, Rows> {
        let rows = rows.clone();
        self.read(move |state, visible| {
            let found = state.rows.iter().filter(|row| row.id <= visible && rows.filter.accepts(row));
            let mut found: Vec<_> =
                found.filter(|row| row.id > after && row.id <= upto).take(BATCH + 1).cloned().collect();
            let more = found.len() > BATCH;
            found.truncate(BATCH);
            batch(state, &rows.filter, found, more, visible)
        })
    }

    fn replay<'a>(&'a self, rows: &'a Selected, before: i64, most: usize) -> Read<'a, Rows> {
        let rows = rows.clone();
        self.read(move |state, visible| {
            let found = state.rows.iter().rev().filter(|row| row.id <= visible && rows.filter.accepts(row));
            let found = found.filter(|row| row.id < before).take(most).cloned().collect();
            batch(state, &rows.filter, found, false, visible)
        })
    }

    fn head(&self) -> Read<'_, i64> {
        self.read(|state, visible| state.head().min(visible))
    }

    fn first_id_since<'a>(&'a self, _family: &'a Family, _since: Timestamp) -> Read<'a, Option<i64>> {
        self.read(|_, _| None)
    }
}

fn batch(state: &State, rows: &Filter, found: Vec<StoredEvent>, more: bool, visible: i64) -> Rows {
    let pruned_through = if rows.channel.is_devhub() { state.pruned.0 } else { state.pruned.1 };
    Rows { rows: found, pruned_through, head: state.head().min(visible), more }
}
