//! A simulated client. The client reads the bytes of a stream as a browser does, and checks that no row is
//! missing and no row comes twice.

use std::rc::Rc;

use oasis_core::Channel;
use serde_json::Value;

use super::super::test_stream::Channels;
use super::table::{History, HistoryRow, Restores, SimTable};

/// What a client follows.
#[derive(Clone)]
pub(super) enum Follows {
    /// The ticker, or only the events of one module.
    Ticker(Option<&'static str>),
    /// Some channels of the test stream. A new client gets the last lines of these channels, at most
    /// `last`.
    Test { channels: Channels, last: usize },
}

impl Follows {
    fn includes(&self, row: &HistoryRow) -> bool {
        match self {
            Self::Ticker(module) => {
                row.channel.is_devhub() && module.is_none_or(|module| row.module == module)
            }
            Self::Test { channels, .. } => channels.contains(&row.channel),
        }
    }

    /// The maximum number of earlier rows that a client without a cursor gets.
    fn replay(&self) -> usize {
        match self {
            Self::Ticker(_) => super::super::ticker::REPLAY,
            Self::Test { last, .. } => *last,
        }
    }
}

pub(super) fn test_channel(id: &str) -> Channel {
    Channel::parse(&format!("test:{id}")).unwrap()
}

/// How far a client has read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The client is new and receives its replay. The client has received `seen` rows so far, and `last` is
    /// the id of the latest row.
    Fresh { seen: usize, last: Option<i64> },
    /// The client has received every row up to this id, or a gap that covers the missing rows.
    Upto(i64),
}

pub(super) struct Client {
    pub(super) name: String,
    pub(super) follows: Follows,
    history: History,
    restores: Restores,
    /// How many restores have been reported to the client, or do not need to be reported.
    restored: usize,
    /// The number of restores at the time of the client's last reset.
    resets: usize,
    table: SimTable,
    place: Place,
    /// The part of a block that has arrived so far.
    pending: String,
    /// The head at which the client begins. `None` if the frame that is being read neither begins a
    /// connection nor reports a reset.
    began: Option<i64>,
    /// How many rows the client has received.
    pub(super) rows: usize,
    pub(super) gaps: usize,
    /// Whether the server has ended the stream.
    pub(super) ended: bool,
}

impl Client {
    pub(super) fn new(
        name: String,
        follows: Follows,
        history: &History,
        restores: &Restores,
        table: &SimTable,
    ) -> Self {
        let place = Place::Fresh { seen: 0, last: None };
        let (history, restores) = (Rc::clone(history), Rc::clone(restores));
        let (table, pending) = (table.clone(), String::new());
        Self {
            name,
            follows,
            history,
            restores,
            restored: 0,
            resets: 0,
            table,
            place,
            pending,
            began: None,
            rows: 0,
            gaps: 0,
            ended: false,
        }
    }

    /// The `Last-Event-ID` that the client sends when it reconnects. `None` if the client has no cursor
    /// yet.
    pub(super) fn cursor(&self) -> Option<i64> {
        match self.place {
            Place::Fresh { .. } => None,
            Place::Upto(cursor) => Some(cursor),
        }
    }

    /// Begins a new connection. A block that has not arrived in full is lost.
    pub(super) fn connected(&mut self) {
        self.pending.clear();
        self.ended = false;
        if let Place::Fresh { .. } = self.place {
            self.place = Place::Fresh { seen: 0, last: None };
        }
    }

    /// Reads the bytes of one frame. The whole replay for a new client is in one frame.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.began = None;
        self.pending.push_str(std::str::from_utf8(bytes).unwrap());
        while let Some((block, rest)) = self.pending.split_once("\n\n") {
            let (block, rest) = (block.to_owned(), rest.to_owned());
            self.pending = rest;
            self.block(&block);
        }
        if self.began.is_some() {
            // A client that connects gets no report of a restore if the restored table has grown past the
            // client's cursor.
            self.restored = self.restores.borrow().len();
        }
        if let (Some(head), Place::Fresh { last, .. }) = (self.began, self.place) {
            self.cursor_moved(last.unwrap_or(head));
        }
    }

    /// If the table was restored to a head below the client's cursor, a connected client must get a gap
    /// before any other block.
    fn check_restores(&mut self, cursor: i64) {
        let unknown = self.restores.borrow()[self.restored..].iter().any(|to| *to < cursor);
        assert!(self.began.is_some() || !unknown, "{}: a restore was not reported at {cursor}", self.name);
        self.restored = self.restores.borrow().len();
    }

    fn block(&mut self, block: &str) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let id: Option<i64> = field("id: ").map(|id| id.parse().unwrap());
        let (name, data) = (field("event: "), field("data: "));
        match (id, name, data) {
            (Some(id), Some("line") | None, Some(data)) => return self.row(id, data),
            (Some(id), None, None) => return self.cursor_moved(id),
            _ => {}
        }
        let data: Option<Value> = data.map(|data| serde_json::from_str(data).unwrap());
        let kind = data.as_ref().and_then(|data| data["type"].as_str()).map(str::to_owned);
        match (id, name.or(kind.as_deref()), data) {
            (None, Some("gap"), Some(data)) => self.gap(&data),
            (None, Some("close"), _) => self.ended = true,
            (None, Some("connected"), Some(data)) => self.began = Some(data["head"].as_i64().unwrap_or(0)),
            // This is a heartbeat, a message `mode`, a simulated event, a comment, or a `retry` line.
            (None, ..) => {}
            other => panic!("{}: {other:?} is not a block of a stream", self.name),
        }
    }

    fn row(&mut self, id: i64, data: &str) {
        let history = self.history.borrow();
        let known = history.binary_search_by_key(&id, |row| row.id).map(|nth| &history[nth]);
        let row = known.unwrap_or_else(|_| panic!("{}: row {id} was never appended", self.name));
        assert!(self.follows.includes(row), "{}: row {id} belongs to another topic", self.name);
        // The test stream shows the text of a row. In the simulation, the text is the row's id.
        let text = format!(r#""text":"{id}""#);
        assert!(row.channel.is_devhub() || data.contains(&text), "{}: row {id} is {data}", self.name);
        drop(history);
        self.rows += 1;
        match self.place {
            Place::Fresh { seen, last } => {
                if let Some(last) = last {
                    self.check_none_missed(last, id);
                }
                self.place = Place::Fresh { seen: seen + 1, last: Some(id) };
            }
            Place::Upto(cursor) => {
                self.check_restores(cursor);
                assert!(id > cursor, "{}: row {id} came after {cursor}", self.name);
                self.check_none_missed(cursor, id);
                self.place = Place::Upto(id);
            }
        }
    }

    /// Handles a block that only moves the cursor.
    fn cursor_moved(&mut self, id: i64) {
        match self.place {
            Place::Fresh { seen, last } => {
                let most = self.follows.replay();
                assert!(seen <= most, "{}: {seen} rows were replayed, more than {most}", self.name);
                if let Some(last) = last {
                    self.check_none_missed(last, id + 1);
                }
                if seen < most {
                    let there = self.rows_between(i64::MIN, id + 1).len();
                    assert!(there <= seen, "{}: {seen} of {there} rows up to {id} were replayed", self.name);
                }
            }
            Place::Upto(cursor) => {
                self.check_restores(cursor);
                assert!(id >= cursor, "{}: the cursor went from {cursor} back to {id}", self.name);
                self.check_none_missed(cursor, id + 1);
            }
        }
        self.place = Place::Upto(id);
    }

    fn gap(&mut self, data: &Value) {
        self.gaps += 1;
        let (from, to) = (data["from"].as_i64().unwrap(), data["to"].as_i64().unwrap());
        match data["reason"].as_str().unwrap() {
            "reset" => {
                let restores = self.restores.borrow().len();
                assert!(self.resets < restores, "{}: got a reset without a restore", self.name);
                (self.resets, self.restored) = (restores, restores);
                self.place = Place::Fresh { seen: 0, last: None };
                self.began = Some(to);
            }
            _ => {
                let Place::Upto(cursor) = self.place else { panic!("{}: got a gap at the start", self.name) };
                self.check_restores(cursor);
                assert!(from >= cursor && from < to, "{}: got a gap from {from} at {cursor}", self.name);
                self.check_none_missed(cursor, from + 1);
                let pruned = self.table.0.lock().unwrap().pruned;
                let pruned = if matches!(self.follows, Follows::Ticker(_)) { pruned.0 } else { pruned.1 };
                assert!(to <= pruned, "{}: got a gap to {to}, but pruned to {pruned}", self.name);
                self.place = Place::Upto(to);
            }
        }
    }

    /// The ids of the client's rows between two ids. Rows that a restore has lost are left out. If `after`
    /// is `i64::MIN`, pruned rows are left out, too.
    fn rows_between(&self, after: i64, before: i64) -> Vec<i64> {
        let history = self.history.borrow();
        let pruned = self.table.0.lock().unwrap().pruned;
        let pruned = |row: &HistoryRow| row.id <= if row.channel.is_devhub() { pruned.0 } else { pruned.1 };
        let first = history.partition_point(|row| row.id <= after);
        let between = history[first..].iter().take_while(|row| row.id < before);
        let gone = |row: &HistoryRow| after == i64::MIN && pruned(row);
        between.filter(|row| !gone(row)).filter(|row| self.follows.includes(row)).map(|row| row.id).collect()
    }

    fn check_none_missed(&self, after: i64, before: i64) {
        let missed = self.rows_between(after, before);
        assert!(missed.is_empty(), "{}: missed {missed:?} between {after} and {before}", self.name);
    }
}
