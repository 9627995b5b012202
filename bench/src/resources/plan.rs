//! The size of the scenario, and the length of its parts.

use std::time::Duration;

/// The number of clients that follow the same workload.
pub(super) const CLIENTS_PER_WORKLOAD: usize = 10;

pub(super) struct Plan {
    /// The number of workloads of the small gateway, and in the comparison with better-sse.
    pub(super) few: usize,
    /// The number of workloads of the large gateway.
    pub(super) many: usize,
    pub(super) rounds: usize,
    /// The pause between connecting the clients and reading the memory.
    pub(super) settle: Duration,
    /// The length of a turn. To measure the cost of events, a gateway gets no events in the first turn, but
    /// gets events in the second turn. In the comparison, a turn is the time for each pace.
    pub(super) turn: Duration,
    /// The number of events that warm up a measurement of delays. They are not counted.
    pub(super) warm_up: usize,
    /// The number of measured delays.
    pub(super) samples: usize,
    /// The number of events of the ticker, and of resource events, in the table before the delay is measured.
    pub(super) history: i64,
}

impl Plan {
    pub(super) fn new(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        if quick {
            return Self {
                few: 10,
                many: 50,
                rounds: 1,
                settle: seconds(1),
                turn: seconds(3),
                warm_up: 10,
                samples: 40,
                history: 1_000,
            };
        }
        Self {
            few: 100,
            many: 1_000,
            rounds: 3,
            // Heartbeats are 15 s apart. So each client gets two heartbeats in this pause and in each turn.
            settle: seconds(32),
            turn: seconds(30),
            warm_up: 60,
            samples: 400,
            history: 100_000,
        }
    }
}
