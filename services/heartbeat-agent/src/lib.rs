//! Agents that are seen to live, and seen to die: beats that say what an agent does, told to Postgres or to a
//! gateway.
//!
//! ```no_run
//! # async fn work() -> anyhow::Result<()> {
//! use heartbeat_agent::{Config, Heartbeat, Destination};
//! use oasis_core::Vtid;
//!
//! let url = "https://oasis.example".parse().map_err(anyhow::Error::msg)?;
//! let destination = Destination::Gateway { url, token: None };
//! let heartbeat = Heartbeat::start(Config::new("planner", destination))?;
//! heartbeat.set_vtid(Some(Vtid::parse("DEV-CICDL-0031")?));
//! // … work …
//! heartbeat.stop().await;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod beats;
pub mod cli;
mod control;
mod destination;
mod heartbeat;
mod run;
mod who;
mod wrap;

pub use beats::{Doing, Ending, IDLE_INTERVAL};
pub use destination::{Destination, Untold};
pub use heartbeat::{Config, Heartbeat};
pub use run::Trouble;
