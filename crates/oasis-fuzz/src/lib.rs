//! The fuzz targets. Each target is a function that takes any bytes. It panics if the code that reads these
//! bytes breaks a rule, which is a finding.
//!
//! `tests/fuzz.rs` runs the targets for some seconds, with inputs that it makes from the corpus. libFuzzer
//! runs them for as long as you like: see CONTRIBUTING.md.

#![allow(clippy::unwrap_used, reason = "a panic is a finding")]

mod audit;
mod database_url;
mod delivery;
mod event;
mod ingest;
mod query;
#[allow(dead_code, reason = "the targets do not use all of it")]
#[path = "../../../cli/src/sse.rs"]
mod sse;
mod stream;

pub use audit::audit;
pub use database_url::database_url;
pub use delivery::delivery;
pub use ingest::ingest;
pub use query::query;
pub use stream::stream;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the function.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// The folders of its corpus, relative to the root of the repository.
    pub corpus: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "audit", run: audit, corpus: &["fuzz/corpus/audit"] },
    Target { name: "database_url", run: database_url, corpus: &["fuzz/corpus/database_url"] },
    Target {
        name: "delivery",
        run: delivery,
        corpus: &["fuzz/corpus/delivery", "services/webhook-ingest/tests/payloads"],
    },
    Target { name: "ingest", run: ingest, corpus: &["fuzz/corpus/ingest"] },
    Target { name: "query", run: query, corpus: &["fuzz/corpus/query"] },
    Target { name: "stream", run: stream, corpus: &["fuzz/corpus/stream"] },
];
