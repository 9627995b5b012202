//! The bounds a server keeps on what clients may take from it.

use std::time::Duration;

/// Bounds of one server. The defaults suit a public service of one process.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections served in full. Above it, [`Limits::spare_connections`] more get the probes
    /// (`/health`, `/ready`, `/metrics`) and 503 for the rest; above that, a connection is closed unread.
    pub max_connections: usize,
    /// Connections beyond [`Limits::max_connections`] that are kept for probes, so that a full
    /// instance still shows as alive rather than being killed with all its clients.
    pub spare_connections: usize,
    /// Time for a request head to arrive, from its first byte (HTTP/1.1).
    pub header_timeout: Duration,
    /// A connection on which no byte was read or written for this long is closed. It must exceed the
    /// longest handler and the heartbeat of any stream.
    pub idle_timeout: Duration,
    /// Time for a whole request body to arrive.
    pub body_timeout: Duration,
    /// Bytes of request bodies held in memory at once, over all requests.
    pub body_budget: usize,
    /// Size of a request head in bytes; a larger one is answered 431.
    pub max_header_bytes: usize,
    /// Streams one HTTP/2 connection may have open.
    pub max_streams: u32,
    /// Time from the begin of the shutdown until remaining connections are dropped.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            spare_connections: 64,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            body_budget: 256 << 20,
            max_header_bytes: 32 << 10,
            max_streams: 256,
            drain: Duration::from_secs(8),
        }
    }
}
