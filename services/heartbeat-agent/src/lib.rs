//! Sends an agent's heartbeats to Postgres or to a gateway.
//!
//! Each beat is an event that reports which task the agent works on, or how the agent ended. [`room`] sends
//! the output of a wrapped command to a room.
//!
//! ```no_run
//! # async fn work() -> anyhow::Result<()> {
//! use heartbeat_agent::{Config, Heartbeat, Destination};
//! use oasis_core::Vtid;
//! use oasis_store::Schema;
//!
//! let url = std::env::var("DATABASE_URL")?.parse()?;
//! let destination = Destination::Postgres { url, schema: Schema::default() };
//! let config = Config { role: Some("PLANNER".into()), ..Config::new("planner", destination) };
//! let heartbeat = Heartbeat::start(config)?;
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
mod instance;
pub mod room;
mod run;
mod wrap;

pub use beats::{AgentState, Ending, IDLE_INTERVAL};
pub use destination::{DeliveryError, Destination};
pub use heartbeat::{Config, Heartbeat};
pub use run::Outage;
