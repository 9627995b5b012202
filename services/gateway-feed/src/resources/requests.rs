//! [`Resources`]: answers the requests about resource events, except the stream. Its methods are in
//! `list.rs` and `write.rs`.

use oasis_store::{Appender, Store};
use tokio::sync::Semaphore;

/// Answers the requests about resource events. See the head of this file.
pub(crate) struct Resources {
    pub(super) store: Store,
    pub(super) appender: Appender,
    /// Limits how many requests read the table at the same time.
    pub(super) reads: Semaphore,
}

impl Resources {
    /// Reads use at most a quarter of the `connections` to the database, rounded up.
    pub(crate) fn new(store: Store, appender: Appender, connections: u16) -> Self {
        Self { store, appender, reads: Semaphore::new(usize::from(connections.div_ceil(4))) }
    }
}
