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
use futures_util::future::BoxFuture;
use oasis_core::Ts;
use oasis_store::StoredEvent;

use super::admission::Admission;
use super::ends::CloseReason;
use super::frame;
use super::pulse::Presence;
use super::table::Selected;
use crate::access::NotAdmitted;

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

    /// Identifies a topic: the normalised selection of rows that the topic's subscribers share.
    type Topic: Clone + Ord + Send + Sync + 'static;
    /// The key under which topics are looked up for a row.
    type Key: Eq + Hash + Send + Sync + 'static;
    /// What one subscriber wants: for example, a filter on the rows of its topic.
    type Want: Send + Sync + 'static;
    /// The properties of a row that the ring keeps, so that subscribers can filter by these properties.
    type Mark: Send + Sync + 'static;
    /// The identity of a client that asks to read.
    type Viewer: Send + Sync;
    /// A permit to read, which is dropped together with its subscriber.
    type Permit: Send + Sync + 'static;

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

    /// Selects a subscriber's rows in the table. The rows of several selections are merged in id order.
    fn rows(topic: &Self::Topic, want: &Self::Want) -> Vec<Selected>;

    /// Appends the frame of `row` to `out`. Returns why the stream ends after the row (`None` if the stream
    /// continues).
    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason>;

    /// The mark that the ring keeps for `row`.
    fn mark(&self, row: &StoredEvent) -> Self::Mark;

    /// Whether a subscriber wants every row of its topic.
    fn wants_all(want: &Self::Want) -> bool;

    /// Whether a subscriber wants the row with this mark.
    fn wants(want: &Self::Want, mark: &Self::Mark) -> bool;

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
    fn fresh(&self, want: &Self::Want, is_over: bool) -> Fresh;

    /// The first frame, sent once the table can be read. `head` is the last id that has been routed to the
    /// topics, or the subscriber's cursor if the cursor is higher.
    fn greeting(&self, topic: &Self::Topic, now: Ts, presence: Presence, head: i64) -> Bytes;

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
}

impl GapReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pruned => "pruned",
            Self::Reset => "reset",
        }
    }
}
