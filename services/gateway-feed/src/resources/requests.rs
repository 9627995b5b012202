//! [`Resources`]: answers the requests about resource events, except the stream. Its methods are in
//! `list.rs` and `write.rs`.

use oasis_store::{Appender, Store};

use crate::turns::Turns;

/// What a client can do if its events were not stored.
pub(super) const AGAIN: &str = "send the request again; with an Idempotency-Key, no event is stored twice";

/// Answers the requests about resource events. See the head of this file.
pub(crate) struct Resources {
    pub(super) store: Store,
    pub(super) appender: Appender,
    /// Limits how many requests read the table at the same time.
    pub(super) reads: Turns,
}

impl Resources {
    /// Reads use at most a quarter of the `connections` to the database, rounded up.
    pub(crate) fn new(store: Store, appender: Appender, connections: u16) -> Self {
        Self { store, appender, reads: Turns::new(usize::from(connections.div_ceil(4))) }
    }
}
