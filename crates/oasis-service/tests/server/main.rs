//! The shell as its clients see it: real sockets, one binary.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod client;
mod connections;
mod leaving;
mod logs;
mod process;
mod routing;
mod sample;
mod streams;
