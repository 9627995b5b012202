//! Bounds on the resources that clients may take from a server.

use std::time::Duration;

/// Bounds of one server. The defaults suit a public service that runs as one process.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections that are served in full. [`Limits::spare_connections`] more are served the probes
    /// (`/health`, `/ready`, `/metrics`) and get 503 for everything else. Any further connection is closed
    /// unread.
    pub max_connections: usize,
    /// Connections above [`Limits::max_connections`] that are kept for probes. Without them, a full instance
    /// would look dead, and would be killed with all its clients.
    pub spare_connections: usize,
    /// Time from the first byte of a request head until the head is complete (HTTP/1.1).
    pub header_timeout: Duration,
    /// A connection is closed when no byte was read or written for this long. The limit must exceed the
    /// longest handler and the heartbeat interval of any stream.
    pub idle_timeout: Duration,
    /// Time for a whole request body to arrive.
    pub body_timeout: Duration,
    /// Bytes of all request bodies that may be in memory at once.
    pub body_budget: usize,
    /// The largest request head in bytes. A larger one is answered with 431.
    pub max_header_bytes: usize,
    /// Streams that one HTTP/2 connection may have open.
    pub max_streams: u32,
    /// Time from the start of the shutdown until the remaining connections are dropped.
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
