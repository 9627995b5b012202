//! Sets how often the table is probed, and how long the answer to a probe is believed.

use std::time::Duration;

/// The time between two probes. The table is probed only while a ping of at least one agent is expected.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// If the answer to a probe takes longer than this, the table counts as hung.
pub(super) const SLOW: Duration = Duration::from_secs(1);
/// How long an answer is believed. The answer to the next probe must arrive before this time ends.
pub(super) const BELIEVED: Duration = EVERY.saturating_add(SLOW);
