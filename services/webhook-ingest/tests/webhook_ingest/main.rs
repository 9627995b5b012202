//! What the receiver does with deliveries: what it reads from them, and what it answers and stores.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

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
mod runs;
mod server;
mod stall;
mod states;
