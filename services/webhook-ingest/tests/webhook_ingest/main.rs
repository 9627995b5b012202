//! Tests of the receiver: the reading of deliveries, the answers, and the stored events.

#![allow(clippy::unwrap_used, reason = "tests report failures by panicking")]

mod bad_input;
mod command_line;
mod deliveries;
mod durability;
mod github;
mod idempotence;
mod payloads;
mod process;
mod properties;
mod reading;
mod resources;
mod runs;
mod server;
mod stall;
mod states;
