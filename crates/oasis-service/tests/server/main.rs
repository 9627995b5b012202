//! Tests of the server over real sockets. All tests are in one binary.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod bodies;
mod client;
mod connections;
mod logs;
mod probes;
mod process;
mod routing;
mod sample;
mod shutdown;
mod stalls;
mod streams;
