//! Defines the trait [`Stream`]: the data types and the three policies of a stream. The rest of the fan-out
//! is the same for every stream.
//!
//! - *Rows*: which rows belong to which topic, and what their frames look like.
//! - *Viewer*: who may read.
//! - *Life*: how a connection begins, what the client gets while nothing happens, and how the connection
//!   ends.

use std::hash::Hash;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use oasis_core::Ts;
use oasis_store::StoredEvent;

use super::admission::{Admission, Permit};
use super::ends::CloseReason;
use super::frame;
use super::pulse::Presence;
use super::table::Selected;
use crate::access::NotAdmitted;
use crate::batch::ReadError;

/// A stream. See the head of this file.
pub(crate) trait Stream: Sized + Send + Sync + 'static {
    /// The family of channels whose rows the stream shows. A family belongs to one stream.
    const FAMILY: &'static str;
    /// The maximum number of rows in a topic's ring. `None` if the ring's bytes count against the budget
    /// that private streams share.
    const RING: Option<usize> = None;
    /// The time between two heartbeats.
    const HEARTBEAT: Duration;
    /// The time between two ticks; `None` if there are no ticks. While the family has no row, each tick
    /// sends subscribers the frames of [`Stream::while_empty`].
    const TICK: Option<Duration> = None;

    /// Whether the frames of a row depend on the rows before it. Such a stream folds its rows: a connection
    /// begins with [`Stream::snapshot`], the ring keeps the bytes that [`Stream::render`] appends, and
    /// [`Stream::fold`] makes the frames of each subscriber from them. A folding stream does not use `wants`,
    /// `is_replayed` and `fresh`, and its clients cannot begin with `since`.
    const FOLDS: bool = false;

    /// Identifies a topic: the normalised selection of rows that the topic's subscribers share.
    type Topic: Clone + Ord + Send + Sync + 'static;
    /// The key under which topics are looked up for a row.
    type Key: Eq + Hash + Send + Sync + 'static;
    /// What one subscriber wants: for example, a filter on the rows of its topic.
    type Want: Send + Sync + 'static;
    /// The properties of a row that the ring keeps, to filter the row or to make its frames.
    type Mark: Send + Sync + 'static;
    /// What a subscriber keeps of its rows up to its cursor, if the stream [folds](Stream::FOLDS) its rows.
    /// Otherwise `()`.
    type Folded: Clone + Default + Send + Sync + 'static;
    /// The identity of a client that asks to read.
    type Viewer: Send + Sync;
    /// A permit to read, which is dropped together with its subscriber.
    type Permit: Permit;

    // Rows.

    /// The topics that exist even without a subscriber.
    fn permanent(&self) -> Vec<Self::Topic> {
        Vec::new()
    }

    /// The keys under which a topic is found. For example, a topic for a list of ids is found under each
    /// id.
    fn keys(topic: &Self::Topic) -> Vec<Self::Key>;

    /// The keys under which the topics of a row are found.
    fn keys_of(row: &StoredEvent) -> impl Iterator<Item = Self::Key>;

    /// Whether a topic that was found by one of its keys shows `row`.
    fn shows(_topic: &Self::Topic, _row: &StoredEvent) -> bool {
        true
    }

    /// Selects a subscriber's rows in the table. The rows of several selections are merged in id order. If
    /// there is no selection, the stream must fold its rows, and a subscriber that is behind continues with
    /// [`Stream::snapshot`].
    fn rows(topic: &Self::Topic, want: &Self::Want) -> Vec<Selected>;

    /// Appends the frame of `row` to `out`. In a folding stream, appends what [`Stream::fold`] needs.
    /// Returns why the stream ends after the row (`None` if the stream continues).
    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason>;

    /// The mark that the ring keeps for `row`.
    fn mark(&self, row: &StoredEvent) -> Self::Mark;

    /// Adds rows to what a subscriber keeps, and appends the subscriber's frames to `out`. Returns the row
    /// that ends the stream (`None` if the stream continues).
    fn fold(
        _folded: &mut Self::Folded,
        _topic: &Self::Topic,
        _want: &Self::Want,
        _rows: &[Rendered<'_, Self::Mark>],
        _out: &mut Vec<u8>,
    ) -> Option<EndRow> {
        None
    }

    /// Whether a subscriber wants every row of its topic.
    fn wants_all(want: &Self::Want) -> bool;

    /// Whether a subscriber wants the row with this mark.
    fn wants(_want: &Self::Want, _mark: &Self::Mark) -> bool {
        true
    }

    /// Whether a replay for a new subscriber includes the row with this mark.
    fn is_replayed(_mark: &Self::Mark) -> bool {
        true
    }

    // Viewer.

    /// Admits `viewer` if the viewer may read `topic`.
    fn admit<'a>(
        &'a self,
        viewer: &'a Self::Viewer,
        topic: &'a Self::Topic,
    ) -> BoxFuture<'a, Result<Admission<Self::Permit>, NotAdmitted>>;

    // Life.

    /// How a subscriber begins without a cursor, or with a cursor that belongs to another table. `is_over`
    /// means that the source of the rows is closed ([`Admission::over`]).
    fn fresh(&self, _want: &Self::Want, _is_over: bool) -> Fresh {
        Fresh::Live
    }

    /// How a subscriber of a folding stream begins. `after` is the subscriber's cursor, if it has one.
    fn snapshot<'a>(
        &'a self,
        _topic: &'a Self::Topic,
        _want: &'a Self::Want,
        _after: Option<i64>,
    ) -> BoxFuture<'a, Result<Snapshot<Self::Folded>, ReadError>> {
        // Only folding streams begin so.
        Box::pin(ready(Err(ReadError::Interrupted)))
    }

    /// The first frame, sent once the table can be read. `head` is the last id that has been routed to the
    /// topics, or the subscriber's cursor if the cursor is higher.
    fn greeting(&self, _topic: &Self::Topic, _now: Ts, _presence: Presence, _head: i64) -> Bytes {
        Bytes::new()
    }

    /// The frame that reports that the rows after `from`, up to and including `to`, are not available.
    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes;

    /// The frame that moves the client's cursor before a heartbeat.
    fn cursor(&self, id: i64) -> Bytes {
        frame::cursor(id)
    }

    /// The frame of a heartbeat. The heartbeat is rendered once for all subscribers.
    fn heartbeat(&self, now: Ts) -> Bytes;

    /// The frames for a subscriber while the family has no row. The frames are for the ticks that follow
    /// the tick `after` (`None` for a new subscriber), up to and including the tick `upto`.
    fn while_empty(&self, _after: Option<u64>, _upto: u64, _now: Ts, _want: &Self::Want) -> Bytes {
        Bytes::new()
    }

    /// The frame that reports that the family has its first row.
    fn filled(&self, _now: Ts) -> Bytes {
        Bytes::new()
    }

    /// The last frame. This frame asks the client to reconnect after `retry` milliseconds.
    fn close(&self, reason: CloseReason, retry: u64) -> Bytes;
}

/// A row as the ring keeps it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rendered<'a, M> {
    pub(crate) id: i64,
    pub(crate) mark: &'a M,
    /// What [`Stream::render`] has appended.
    pub(crate) bytes: &'a [u8],
}

/// The row that ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndRow {
    pub(crate) id: i64,
    pub(crate) reason: CloseReason,
}

/// How a subscriber of a folding stream begins.
pub(crate) struct Snapshot<T> {
    pub(crate) folded: T,
    pub(crate) frames: Bytes,
    /// `folded` contains every row up to this id. The subscriber gets the rows after it.
    pub(crate) cursor: i64,
    /// Why the stream ends after the frames; `None` if the stream continues.
    pub(crate) ends: Option<CloseReason>,
}

/// How a subscriber without a cursor begins.
pub(crate) enum Fresh {
    /// With the next row.
    Live,
    /// With the last rows, at most this many.
    Last(usize),
}

/// Why rows are not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GapReason {
    /// Retention has deleted the rows.
    Pruned,
    /// The cursor does not belong to the table that is read, because the database was restored.
    Reset,
    /// A connection begins with a limited number of rows.
    TooMany,
}

impl GapReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pruned => "pruned",
            Self::Reset => "reset",
            Self::TooMany => "too_many",
        }
    }
}
