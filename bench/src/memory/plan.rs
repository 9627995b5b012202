//! How much the scenario `memory` measures.

use std::time::Duration;

/// A task that has the first events, so that each client is shown its last 20.
pub(super) const QUIET: &str = "DEV-QUIET-0001";
pub(super) const FIRST_EVENTS: i64 = 100;

/// How large, and how long to let things settle.
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) events: i64,
    /// Longer than the heartbeat's 15 s, so that every client has been written to again.
    pub(super) settle: Duration,
}

impl Plan {
    pub(super) fn new(quick: bool) -> Self {
        if quick {
            Self { clients: 500, events: 10_000, settle: Duration::from_secs(1) }
        } else {
            Self { clients: 5_000, events: 100_000, settle: Duration::from_secs(17) }
        }
    }
}
