//! Tests of the server over real sockets, in one binary.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod client;
mod connections;
mod logs;
mod process;
mod routing;
mod sample;
mod shutdown;
mod streams;
