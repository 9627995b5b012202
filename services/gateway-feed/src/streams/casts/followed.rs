//! What the clients of the streams of casts follow.

use std::sync::Arc;

use oasis_core::cast::{CastEvent, CastId};
use oasis_core::{Channel, Kind, Ts};

/// What a client follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Followed {
    /// One cast.
    Cast(CastId),
    /// All casts of the user who asks.
    Own(Arc<str>),
}

/// The key under which topics are looked up for a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CastKey {
    Cast(Channel),
    Owner(Arc<str>),
}

/// What one subscriber wants.
pub(crate) struct CastWant {
    /// The user, who must own the casts.
    pub(crate) user: Arc<str>,
    /// The events that the client wants. An empty list stands for all of them.
    pub(crate) events: Vec<CastEvent>,
}

/// The properties of a row that its frames need, except its `meta`.
pub(crate) struct CastMark {
    pub(super) channel: Channel,
    pub(super) kind: Kind,
    pub(super) ts: Ts,
    pub(super) recorded_at: Ts,
}
