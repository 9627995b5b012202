//! The size of the scenario `memory`.

use std::time::Duration;

/// The task of the first events. Each client begins with the last 20 of them.
pub(super) const QUIET: &str = "DEV-QUIET-0001";
pub(super) const FIRST_EVENTS: i64 = 100;

/// The size of the scenario, and the time for which clients settle.
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) events: i64,
    /// In a full run, longer than the 15 s between two heartbeats, so that each client has received one.
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
