//! Checks of the code itself, over the files that git tracks.
//!
//! `cargo run -p oasis-tidy` checks this repository, `cargo run -p oasis-tidy -- ROOT` another clone of it.
//! `cargo test` does the first. Each check is a function from the [`Tree`] to its [`Finding`]s.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod crates;
mod finding;
mod graph;
mod javascript;
mod links;
mod map;
mod markdown;
mod paths;
mod rust;
mod text;
mod tree;

pub use finding::Finding;
pub use tree::Tree;

/// A rule: its name, and what violates it.
pub type Check = (&'static str, fn(&Tree) -> Vec<Finding>);

/// All rules.
pub const CHECKS: &[Check] = &[
    ("arrows between Rust files", rust::check),
    ("arrows between JavaScript modules", javascript::check),
    ("dependencies between packages", crates::check),
    ("length of files", text::check_files),
    ("length of lines", text::check_lines),
    ("notes about work that is left", text::check_notes),
    ("links", links::check),
    ("the map", map::check),
];
