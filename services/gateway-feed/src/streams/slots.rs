//! [`Slots`]: limits how many clients follow a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::Gauge;
use oasis_service::ApiError;

use crate::fanout::admission::Permit;

/// Slots for the clients of a stream.
pub(super) struct Slots {
    most: usize,
    clients: Arc<Clients>,
}

/// The number of taken slots, also as a metric.
struct Clients {
    count: AtomicUsize,
    gauge: Gauge,
}

/// The slot of one client. The slot is free again once this value is dropped.
pub(crate) struct Slot(Arc<Clients>);

impl Permit for Slot {}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.decrement(1.0);
    }
}

impl Slots {
    /// Slots for at most `most` clients at the same time. `gauge` shows how many slots are taken.
    pub(super) fn new(most: usize, gauge: Gauge) -> Self {
        Self { most, clients: Arc::new(Clients { count: AtomicUsize::new(0), gauge }) }
    }

    /// Whether no slot is free.
    pub(super) fn are_taken(&self) -> bool {
        self.clients.count.load(Ordering::Relaxed) >= self.most
    }

    /// Takes a slot.
    ///
    /// # Errors
    /// 503 with the message `full` if no slot is free.
    pub(super) fn take(&self, full: &'static str) -> Result<Slot, ApiError> {
        let slot = Slot(self.clients.clone());
        self.clients.gauge.increment(1.0);
        let before = self.clients.count.fetch_add(1, Ordering::Relaxed);
        if before < self.most { Ok(slot) } else { Err(ApiError::overloaded(full)) }
    }
}
