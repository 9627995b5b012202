//! The pulse of a topic: a value that the topic's subscribers watch. Any change of the value wakes these
//! subscribers and no others.
//!
//! A subscriber has no queue, so no queue can overflow. Instead, the subscriber compares the state in the
//! pulse with the last state that the subscriber has handled.

use bytes::Bytes;

use super::round::Share;

/// What the tail knows about the rows of a stream's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The table has not been read yet.
    Unread,
    /// The table holds no row of the stream's family.
    Empty,
    /// The table holds rows of the family, or held such rows in the past.
    Filled,
}

/// The value that the subscribers of a topic watch.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) state: State,
    /// The frame of the last heartbeat.
    pub(crate) heartbeat: Bytes,
    /// A share of the current round.
    pub(crate) share: Share,
}

/// The state of a topic. A subscriber compares this state with the last state that the subscriber has
/// handled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) presence: Presence,
    /// Every row of the topic up to this id is in the ring, or is older than the ring.
    pub(crate) head: i64,
    /// How many times the tail has started or restarted (`Update::Start`).
    pub(crate) epoch: u64,
    /// The number of heartbeats so far.
    pub(crate) beats: u64,
    /// The number of ticks so far. Only ticks while the family is empty are counted.
    pub(crate) ticks: u64,
    pub(crate) closing: bool,
}
