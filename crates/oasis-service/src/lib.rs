//! What every OASIS binary shares: listening, routing, limits, errors, telemetry, health, shutdown.
//!
//! A service implements [`App`] (a `match` on method and path) and hands it to [`serve`] with a bound
//! listener. Everything around the match is here: connections and their time limits, request bodies
//! with a global memory budget, `/health`, `/ready`, `/metrics`, request ids, the access log and a
//! shutdown that leaves on time. This crate knows nothing of Postgres or of events.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod app;
pub mod args;
pub mod auth;
mod body;
pub mod client;
mod connection;
mod dispatch;
mod endless;
pub mod error;
mod io;
pub mod limits;
pub mod meters;
pub mod panics;
mod probes;
pub mod query;
mod random;
mod request_body;
mod request_id;
pub mod response;
mod serve;
pub mod shutdown;
pub mod telemetry;

pub use app::{App, NotReady, RequestContext};
pub use args::ServiceArgs;
pub use auth::{Secret, Tokens, bearer};
pub use error::ApiError;
pub use limits::Limits;
pub use query::Query;
pub use random::random;
pub use request_body::RequestBody;
pub use response::{Body, Response};
pub use serve::serve;
pub use shutdown::Shutdown;

/// A request whose body has not been read yet; see [`RequestContext::read_body`].
pub type Request = hyper::Request<RequestBody>;
