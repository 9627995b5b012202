//! The size of the scenario `memory`.

use std::time::Duration;

/// The task of the first events. A new client first gets the last 20 of these events.
pub(super) const QUIET: &str = "DEV-QUIET-0001";
pub(super) const FIRST_EVENTS: i64 = 100;

/// The size of the scenario, and the pause before the memory is read.
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) events: i64,
    /// The pause after the clients have connected. In a full run, the pause is longer than the 15 s between
    /// two heartbeats, so each client has received a heartbeat.
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
