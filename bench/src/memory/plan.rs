//! The size of the scenario `memory`.

use std::time::Duration;

/// The task of the events that are stored before the clients connect. A new client first gets the last 20 of
/// these events.
pub(super) const QUIET: &str = "DEV-QUIET-0001";
/// The number of events that are stored before the clients connect.
pub(super) const FIRST_EVENTS: i64 = 100;

/// The size of the scenario, and the pause before the memory is read.
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) events: i64,
    /// The pause after the clients have connected. In a full run, the pause is longer than the 15 s between
    /// two heartbeats, so each client receives a heartbeat during the pause.
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
