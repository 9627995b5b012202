//! The parts that every OASIS binary shares: listening, routing, limits, errors, telemetry, health and
//! shutdown.
//!
//! A service implements [`App`] (a `match` on method and path) and passes it to [`serve`] with a bound
//! listener. This crate does the rest: connections and their time limits, request bodies with a global memory
//! budget, `/health`, `/ready`, `/metrics`, request ids, the access log and a shutdown within a time limit.
//! This crate does not know about Postgres or events.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests may panic"))]

mod activity;
mod answer;
mod answers;
pub mod app;
pub mod args;
pub mod auth;
mod body;
mod budget;
mod buffer;
pub mod client;
mod connection;
mod connections;
mod dispatch;
mod endless;
pub mod error;
pub mod limits;
pub mod listeners;
pub mod meters;
pub mod panics;
mod probes;
pub mod query;
mod random;
mod readiness;
mod request_body;
mod request_id;
pub mod response;
mod response_body;
mod serve;
mod server;
pub mod shutdown;
mod stall;
pub mod telemetry;
mod timekeeper;
mod tracked_body;
mod tracked_stream;

pub use app::{App, Disclosure, NotReady, RequestContext};
pub use args::ServiceArgs;
pub use auth::{BadList, NoRandomness, Presented, Secret, Tokens, bearer};
pub use connections::network;
pub use error::ApiError;
pub use limits::Limits;
pub use listeners::{Listeners, LocalHosts};
pub use query::Query;
pub use random::random;
pub use request_body::{Request, RequestBody};
pub use response::{Body, Response};
pub use serve::serve;
pub use shutdown::Shutdown;
