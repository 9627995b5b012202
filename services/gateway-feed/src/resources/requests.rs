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
    pub(super) turns: Turns,
}

impl Resources {
    pub(crate) fn new(store: Store, appender: Appender, turns: Turns) -> Self {
        Self { store, appender, turns }
    }
}
