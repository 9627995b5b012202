//! Limits on the server resources that clients may use.

use std::num::NonZero;
use std::time::Duration;

/// The limits of one server. The defaults are for a public service that runs as one process.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The maximum number of ordinary connections. At this limit, a new connection ends the one that has been
    /// idle for the longest time. If none is idle, [`Limits::spare_connections`] more connections get answers
    /// to probes (`/health`, `/ready`, `/metrics`), and 503 for everything else. At that limit, a new
    /// connection ends the spare one that has been idle for the longest time. If none is idle, the new
    /// connection is closed before its request is read.
    pub max_connections: usize,
    /// The number of connections for probes above [`Limits::max_connections`]. Without these connections, a
    /// full instance could not answer probes. The instance would look dead and be killed, and all its clients
    /// would be disconnected.
    pub spare_connections: usize,
    /// The maximum number of connections of one client: of an address, or of a network with 64 bits of
    /// IPv6. `None` if it is not limited.
    pub max_connections_per_client: Option<NonZero<usize>>,
    /// The time limit for the first byte of a connection, and the time limit from the first byte of a request
    /// head to the end of the head. Over HTTP/2, the time limit for the head of the first request.
    pub header_timeout: Duration,
    /// A connection is closed if no byte was read or written for this time. Over HTTP/2, only requests and
    /// the data of answers count. The time must be longer than any handler takes, and longer than the
    /// heartbeat interval of any stream.
    pub idle_timeout: Duration,
    /// A client must read something of its answer within this time. Otherwise, its HTTP/2 stream or its
    /// HTTP/1 connection is closed.
    pub stall_timeout: Duration,
    /// The time limit for a whole request body to arrive.
    pub body_timeout: Duration,
    /// The maximum total size of the request bodies in memory, in bytes. While a body is read, the estimated
    /// memory of its request counts too.
    pub body_budget: usize,
    /// The maximum total size of the answers that wait to be sent, in bytes. Streams and the files of pages
    /// do not count.
    pub answer_budget: usize,
    /// The maximum size of a request head, in bytes. A larger head is answered with 431.
    pub max_header_bytes: usize,
    /// The maximum number of open streams of one HTTP/2 connection.
    pub max_streams: u32,
    /// The maximum number of endless answers, such as streams of events, that one connection can have at the
    /// same time. Only HTTP/2 can have more than one.
    pub max_endless: u32,
    /// The time from the start of the shutdown until the remaining connections are dropped.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            spare_connections: 64,
            max_connections_per_client: None,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            body_budget: 256 << 20,
            answer_budget: 64 << 20,
            max_header_bytes: 32 << 10,
            max_streams: 128,
            max_endless: 8,
            drain: Duration::from_secs(8),
        }
    }
}
