//! The sizes of the measurements of casts.

/// The stream of all casts of a user.
pub(super) const STREAM: &str = "/api/casts/events";

/// The sizes of the measurements.
pub(super) struct Plan {
    pub(super) rounds: usize,
    pub(super) warm_up: usize,
    pub(super) samples: usize,
    /// The number of events in the table before the first delivery.
    pub(super) history: i64,
    /// The number of runs that start before, during and after the outage.
    pub(super) killed: usize,
}

impl Plan {
    pub(super) fn new(quick: bool) -> Self {
        if quick {
            Self { rounds: 1, warm_up: 10, samples: 40, history: 10_000, killed: 20 }
        } else {
            Self { rounds: 3, warm_up: 60, samples: 400, history: 100_000, killed: 200 }
        }
    }

    /// The number of deliveries of a round.
    pub(super) fn deliveries(&self) -> usize {
        self.warm_up + self.samples
    }
}
