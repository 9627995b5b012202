//! The last activity of a connection, from which its deadline follows.
//!
//! The stream notes when it moves a byte, and the requests note when they begin and end; the timer of the
//! connection reads these notes when it fires. So no byte has to reset a timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

/// Times are milliseconds since `opened`, plus one so that 0 is none.
pub(crate) struct Activity {
    opened: Instant,
    idle_timeout: Duration,
    header_timeout: Duration,
    last_activity: AtomicU64,
    /// When the first byte of a request head came whose rest is still awaited.
    head_since: AtomicU64,
    in_flight: AtomicU32,
    is_http2: AtomicBool,
    /// Whether the last write found no room: its bytes are still with the writer.
    write_blocked: AtomicBool,
}

impl Activity {
    pub(crate) fn new(limits: &Limits, spare: bool) -> Self {
        // Spare connections are few, and a probe does not linger.
        let idle_timeout =
            if spare { limits.idle_timeout.min(limits.header_timeout) } else { limits.idle_timeout };
        Self {
            opened: Instant::now(),
            idle_timeout,
            header_timeout: limits.header_timeout,
            last_activity: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            is_http2: AtomicBool::new(false),
            write_blocked: AtomicBool::new(false),
        }
    }

    /// Notes that the client speaks HTTP/2.
    pub(crate) fn speaks_http2(&self) {
        self.is_http2.store(true, Relaxed);
    }

    fn mark(&self) -> u64 {
        // 2^64 ms are half a billion years.
        self.opened.elapsed().as_millis() as u64 + 1
    }

    fn time_of(&self, mark: u64) -> Instant {
        self.opened + Duration::from_millis(mark - 1)
    }

    /// Notes that bytes were written.
    pub(crate) fn wrote(&self) {
        self.last_activity.store(self.mark(), Relaxed);
        self.write_blocked.store(false, Relaxed);
    }

    /// Notes that a write found no room.
    pub(crate) fn write_blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    /// Whether the last write found no room.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }

    /// Notes that bytes were read.
    pub(crate) fn read(&self) {
        let now = self.mark();
        self.last_activity.store(now, Relaxed);
        // While a request is in flight, what arrives is its body. HTTP/2 reads frames of any kind at any
        // time; its idle limit has to do.
        if !self.is_http2.load(Relaxed)
            && self.in_flight.load(Relaxed) == 0
            && self.head_since.load(Relaxed) == 0
        {
            self.head_since.store(now, Relaxed);
        }
    }

    /// Notes that a request head is complete; the request is in flight until the guard drops.
    pub(crate) fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// When the connection must be closed if nothing more happens on it.
    pub(crate) fn deadline(&self) -> Instant {
        let idle = self.time_of(self.last_activity.load(Relaxed)) + self.idle_timeout;
        match self.head_since.load(Relaxed) {
            0 => idle,
            since => idle.min(self.time_of(since) + self.header_timeout),
        }
    }
}

/// A request that is not answered in full yet.
pub(crate) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
