//! A private PostgreSQL for one machine.
//!
//! `oasis up` keeps one under `.oasis/` and every test in the workspace gets a database from a throw-away
//! one, so that nobody installs, configures or cleans up a server by hand:
//!
//! - [`Cluster::start`] finds (or downloads) the binaries, initialises the data once, starts the server, or
//!   adopts the one that already serves the folder;
//! - [`testing`] hands out a fresh database per test and clears up however the test process ends.
//!
//! The folder of a cluster holds `data` (PostgreSQL's own), `password`, `port`, `server.log`, and two lock
//! files: `lock`, held while somebody starts or stops the server, and `users`, shared by all who use it.
//! Only 127.0.0.1 is ever listened on.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod binaries;
mod cluster;
mod error;
mod launch;
mod npm;
mod options;
mod place;
mod postmaster;
pub mod testing;
mod watchdog;

pub use cluster::Cluster;
pub use error::Error;
pub use npm::download;
pub use options::Options;
