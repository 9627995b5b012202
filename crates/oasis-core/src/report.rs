//! Reads events in the two forms whose senders mostly ignore the answer: what agents report, and what
//! pipelines, bridges and routines report. So a bad value never costs the event.

mod agent;
mod heartbeat;
mod lenient;
mod parts;
mod telemetry;

pub use agent::agent;
pub use lenient::{Mark, shown, vtid_given};
pub use parts::Parts;
pub use telemetry::telemetry;
