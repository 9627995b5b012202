//! A private PostgreSQL for one machine.
//!
//! `oasis up` keeps a private server under `.oasis/`, and the tests of the workspace use a temporary server.
//! You do not have to install, configure or remove these servers by hand.
//!
//! - [`Cluster::start`] finds or downloads the binaries, initialises the data once, and starts the server. If
//!   a server already serves the folder, `start` adopts that server.
//! - [`testing`] makes a fresh database for each test, and cleans up no matter how the test process ends.
//!
//! A cluster's folder contains PostgreSQL's data folder `data`, the files `password`, `port` and
//! `server.log`, and two lock files. A process locks `lock` while it starts or stops the server, and holds a
//! shared lock on `users` while it uses the server. The server listens on 127.0.0.1 only.

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
