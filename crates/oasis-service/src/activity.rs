//! Records the last activity of a connection, and computes the connection's deadline from it.
//!
//! The stream records each read and write. Each request records when it begins and ends. Recording only
//! stores a value in memory. The connection's timer is not reset for each read and write, because a reset
//! costs more.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

/// The mark for the time at which the connection opened.
const OPENED: u64 = 1;
/// A client that is silent for a shorter time may only be far away.
const ROUND_TRIP: Duration = Duration::from_secs(1);

/// The activity of one connection. Each time is stored as the number of milliseconds since `opened`, plus
/// one. 0 means never.
pub(crate) struct Activity {
    opened: Instant,
    idle_timeout: Duration,
    header_timeout: Duration,
    stall_timeout: Duration,
    last_activity: AtomicU64,
    /// The time from which the limit for a request head counts: the time at which its first byte arrived, or
    /// the time at which the connection opened.
    head_since: AtomicU64,
    in_flight: AtomicU32,
    /// The number of requests in flight whose bodies are still arriving.
    arriving: AtomicU32,
    is_http2: AtomicBool,
    /// Since when the socket accepts no bytes; 0 if it accepted the last write. While it accepts none, the
    /// writer has bytes left to send.
    blocked_since: AtomicU64,
    /// The number of endless answers that are under way.
    endless: AtomicU32,
    /// The number of endless answers that were refused.
    refused_endless: AtomicU32,
}

impl Activity {
    pub(crate) fn new(limits: &Limits, spare: bool) -> Self {
        // There are only a few spare connections, and a probe uses a connection only briefly. Therefore, an
        // idle spare connection is closed sooner than other idle connections.
        let idle_timeout =
            if spare { limits.idle_timeout.min(limits.header_timeout) } else { limits.idle_timeout };
        Self {
            opened: Instant::now(),
            idle_timeout,
            header_timeout: limits.header_timeout,
            stall_timeout: limits.stall_timeout,
            last_activity: AtomicU64::new(OPENED),
            head_since: AtomicU64::new(OPENED),
            in_flight: AtomicU32::new(0),
            arriving: AtomicU32::new(0),
            is_http2: AtomicBool::new(false),
            blocked_since: AtomicU64::new(0),
            endless: AtomicU32::new(0),
            refused_endless: AtomicU32::new(0),
        }
    }

    /// Records that the client uses HTTP/2. The time limit of a head then applies only to the first request,
    /// which is due since the connection opened.
    pub(crate) fn record_http2(&self) {
        self.is_http2.store(true, Relaxed);
    }

    fn mark(&self) -> u64 {
        // The number of milliseconds in half a billion years fits into a u64.
        self.opened.elapsed().as_millis() as u64 + 1
    }

    fn time_of(&self, mark: u64) -> Instant {
        self.opened + Duration::from_millis(mark - 1)
    }

    /// The time of a mark. `None` for 0, which means never.
    fn since(&self, mark: &AtomicU64) -> Option<Instant> {
        match mark.load(Relaxed) {
            0 => None,
            mark => Some(self.time_of(mark)),
        }
    }

    /// Records that bytes were written.
    pub(crate) fn record_write(&self) {
        // Over HTTP/2, this can be the answer to a PING.
        if !self.is_http2.load(Relaxed) {
            self.last_activity.store(self.mark(), Relaxed);
        }
        self.blocked_since.store(0, Relaxed);
    }

    /// Records that the socket refused a write because its buffer was full.
    pub(crate) fn record_blocked_write(&self) {
        // Only the first of several refused writes counts.
        let _ = self.blocked_since.compare_exchange(0, self.mark(), Relaxed, Relaxed);
    }

    /// Whether the socket refused the last write.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.blocked_since.load(Relaxed) > 0
    }

    /// Records that bytes were read.
    pub(crate) fn record_read(&self) {
        // Over HTTP/2, frames of any kind arrive at any time.
        if self.is_http2.load(Relaxed) {
            return;
        }
        let now = self.mark();
        self.last_activity.store(now, Relaxed);
        // Bytes that arrive while a request is in flight belong to its body.
        if self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) <= OPENED {
            self.head_since.store(now, Relaxed);
        }
    }

    /// Records that a request head is complete. The request is in flight until the returned guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        self.last_activity.store(self.mark(), Relaxed);
        InFlight { activity: Arc::clone(self), place: OnceLock::new() }
    }

    /// What the connection waits for, if it only waits for its client. `None` if a request is being answered.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        let last = self.time_of(self.last_activity.load(Relaxed));
        let in_flight = self.in_flight.load(Relaxed);
        if in_flight > 0 {
            let arriving = (self.arriving.load(Relaxed) == in_flight).then_some(last);
            let since = self.since(&self.blocked_since).or(arriving)?;
            return Some(Waiting { state: WaitState::Moving, since });
        }
        Some(match self.since(&self.head_since) {
            None => Waiting { state: WaitState::Idle, since: last },
            Some(since) if since.elapsed() >= ROUND_TRIP => Waiting { state: WaitState::Silent, since },
            Some(since) => Waiting { state: WaitState::Moving, since },
        })
    }

    /// The time at which the connection is closed if there is no further activity.
    pub(crate) fn deadline(&self) -> Instant {
        let idle = self.time_of(self.last_activity.load(Relaxed)) + self.idle_timeout;
        let head = self.since(&self.head_since).map(|since| since + self.header_timeout);
        let blocked = self.since(&self.blocked_since).map(|since| since + self.stall_timeout);
        [head, blocked].into_iter().flatten().fold(idle, Instant::min)
    }
}

/// A connection that waits for its client. Connections are in the order in which they make room for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    state: WaitState,
    /// The last activity, or since when the head of a request is due.
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WaitState {
    /// The head of a request has been due for [`ROUND_TRIP`].
    Silent,
    /// No request is in flight.
    Idle,
    /// The head or the body of a request is arriving, or the client must read a part of the answer first.
    Moving,
}

/// Marks a request as in flight until this value is dropped.
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    /// Whether the request has a place among the endless answers of the connection. Empty until it asks for
    /// one.
    place: OnceLock<bool>,
}

impl InFlight {
    /// Records that the client reads the answer, or waits for more of it.
    pub(crate) fn record_progress(&self) {
        self.activity.last_activity.store(self.activity.mark(), Relaxed);
    }

    /// Records that an endless answer was refused. Returns how many have been refused on this connection.
    pub(crate) fn record_refused_endless(&self) -> u32 {
        self.activity.refused_endless.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Takes a place among the endless answers of the connection, unless the request has one. Returns false
    /// if the connection has `most` such answers already.
    pub(crate) fn take_place(&self, most: u32) -> bool {
        *self.place.get_or_init(|| {
            let is_free = self.activity.endless.fetch_add(1, Relaxed) < most;
            if !is_free {
                self.activity.endless.fetch_sub(1, Relaxed);
            }
            is_free
        })
    }

    /// Records that the body of the request is still arriving, until the returned guard is dropped.
    pub(crate) fn arriving(&self) -> Arriving<'_> {
        self.activity.arriving.fetch_add(1, Relaxed);
        Arriving(&self.activity)
    }

    /// Whether the request asked for a place and was refused.
    pub(crate) fn was_refused(&self) -> bool {
        self.place.get() == Some(&false)
    }

    /// Gives back the place, if the request has one.
    pub(crate) fn free_place(&mut self) {
        if self.place.take() == Some(true) {
            self.activity.endless.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.in_flight.fetch_sub(1, Relaxed);
        self.free_place();
    }
}

/// Marks the body of a request as arriving until this value is dropped.
pub(crate) struct Arriving<'a>(&'a Activity);

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(1, Relaxed);
    }
}
