//! Reads the two lenient forms of events: the form that agents send, and the form that pipelines, bridges and
//! routines send. Most of these senders ignore the answer, so an event is stored even if it has bad values.

mod agent;
mod heartbeat;
mod lenient;
mod parts;
mod telemetry;

pub use agent::agent;
pub use lenient::{Mark, shown, vtid_given};
pub use parts::Parts;
pub use telemetry::telemetry;
