//! [`Stream`]: data and three policies. Everything else of the fan-out does not know which stream it serves.
//!
//! - *Rows*: which rows belong to which topic, and what their frames look like.
//! - *Viewer*: who may read.
//! - *Life*: how a connection begins, what it is told while nothing happens, and how it ends.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use oasis_core::Ts;
use oasis_service::ApiError;
use oasis_store::{Filter, StoredEvent};

use super::ends::{CloseReason, Deadline, Subject};
use super::frame;
use super::pulse::Presence;

/// A stream. See the head of this file.
pub(crate) trait Stream: Sized + Send + Sync + 'static {
    /// The family of channels whose rows it shows. A family belongs to one stream.
    const FAMILY: &'static str;
    /// Rows in a topic's ring; `None` where the ring's bytes come out of the budget that private streams
    /// share.
    const RING: Option<usize> = None;
    /// How often a client hears something.
    const HEARTBEAT: Duration;
    /// How often [`Stream::while_empty`] is asked.
    const TICK: Option<Duration> = None;

    /// What tells one topic from another: the normalised choice of rows that its subscribers share.
    type Topic: Clone + Ord + Send + Sync + 'static;
    /// What a topic is found by when a row arrives.
    type Key: Ord + Send + Sync + 'static;
    /// What one subscriber asks for among its topic's rows.
    type Want: Send + Sync + 'static;
    /// What the ring keeps of a row, for one subscriber to choose by.
    type Mark: Send + Sync + 'static;
    /// Who asks.
    type Viewer: Send + Sync;
    /// What a subscriber holds for as long as it lives.
    type Permit: Send + Sync + 'static;

    // Rows.

    /// The topics that live even without a subscriber.
    fn permanent(&self) -> Vec<Self::Topic> {
        Vec::new()
    }

    /// Where a topic is found: a list of ids is one topic, found under each id.
    fn keys(topic: &Self::Topic) -> Vec<Self::Key>;

    /// Where the topics of a row are found.
    fn keys_of(row: &StoredEvent) -> Vec<Self::Key>;

    /// Whether a topic that was found by one of its keys shows `row`.
    fn shows(_topic: &Self::Topic, _row: &StoredEvent) -> bool {
        true
    }

    /// The filters that select a subscriber's rows in the table. Their rows are merged in id order.
    fn rows(topic: &Self::Topic, want: &Self::Want) -> Vec<Filter>;

    /// Appends the frame of `row` to `out`, and says whether the stream ends behind it.
    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason>;

    /// What the ring keeps of `row`.
    fn mark(&self, row: &StoredEvent) -> Self::Mark;

    /// Whether a subscriber wants every row of its topic.
    fn wants_all(want: &Self::Want) -> bool;

    /// Whether a subscriber wants a row.
    fn wants(want: &Self::Want, mark: &Self::Mark) -> bool;

    /// Whether a new subscriber is shown a row of the past.
    fn is_replayed(_mark: &Self::Mark) -> bool {
        true
    }

    // Viewer.

    /// Whether `viewer` may read.
    fn admit<'a>(
        &'a self,
        viewer: &'a Self::Viewer,
        topic: &'a Self::Topic,
    ) -> BoxFuture<'a, Result<Admission<Self::Permit>, ApiError>>;

    // Life.

    /// How a subscriber begins that has no cursor, or whose cursor belongs to another table.
    fn fresh(&self, want: &Self::Want) -> Fresh;

    /// The first frame, once the table can be read; `head` is the last id that the tail has read.
    fn greeting(&self, topic: &Self::Topic, now: Ts, presence: Presence, head: i64) -> Bytes;

    /// The rows after `from`, up to and with `to`, can't be had.
    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes;

    /// Moves the client's cursor before a heartbeat.
    fn cursor(&self, id: i64) -> Bytes {
        frame::cursor(id)
    }

    /// What a client hears when nothing happens. It is rendered once for all subscribers.
    fn heartbeat(&self, now: Ts) -> Bytes;

    /// What a subscriber is shown while the family has no row: what came after the tick `after` (`None` for a
    /// new subscriber), up to and with the tick `upto`.
    fn while_empty(&self, _after: Option<u64>, _upto: u64, _now: Ts, _want: &Self::Want) -> Bytes {
        Bytes::new()
    }

    /// The family has its first row.
    fn filled(&self, _now: Ts) -> Bytes {
        Bytes::new()
    }

    /// The last frame. `retry` is when to come back, in milliseconds.
    fn close(&self, reason: CloseReason, retry: u64) -> Bytes;
}

/// How a subscriber without a cursor begins.
pub(crate) enum Fresh {
    /// With the next row.
    Live,
    /// With the last rows, so many at the most.
    Last(usize),
}

/// A viewer may read.
pub(crate) struct Admission<P> {
    /// Held for as long as the subscriber lives.
    pub(crate) permit: P,
    /// A revocation of any of these ends the subscriber.
    pub(crate) subjects: Vec<Subject>,
    /// When the subscriber ends by itself.
    pub(crate) deadline: Option<Deadline>,
}

/// Why rows can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GapReason {
    /// Retention has deleted them.
    Pruned,
    /// The cursor is of another table than the one that is read: a restored database.
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
