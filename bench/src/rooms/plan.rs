//! The size of the scenario, and the length of its parts.

use std::time::Duration;

pub(super) struct Plan {
    /// The number of viewers. Each viewer has a room of its own.
    pub(super) viewers: usize,
    /// The number of viewers in the comparison with NestJS. NestJS needs two sockets per viewer, and many
    /// systems allow a process only 20,000 sockets.
    pub(super) compared: usize,
    pub(super) rounds: usize,
    /// The pause between connecting the viewers and reading the memory.
    pub(super) settle: Duration,
    /// How long lines are written in each round.
    pub(super) turn: Duration,
    /// The number of lines or deliveries that warm up a measurement of delays. They are not counted.
    pub(super) warm_up: usize,
    /// The number of measured delays.
    pub(super) samples: usize,
    /// The number of events of the ticker in the table before the delays are measured.
    pub(super) history: i64,
}

impl Plan {
    pub(super) fn new(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        if quick {
            return Self {
                viewers: 500,
                compared: 300,
                rounds: 1,
                settle: seconds(1),
                turn: seconds(3),
                warm_up: 10,
                samples: 40,
                history: 1_000,
            };
        }
        Self {
            viewers: 10_000,
            compared: 5_000,
            rounds: 3,
            // Heartbeats are 30 s apart. So each viewer gets a heartbeat in this pause.
            settle: seconds(32),
            turn: seconds(20),
            warm_up: 60,
            samples: 400,
            history: 100_000,
        }
    }
}
