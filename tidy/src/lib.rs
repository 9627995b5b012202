//! Checks the files of this repository: the dependencies, the sizes, the links and the map of the code.
//!
//! `cargo run -p oasis-tidy` checks this repository, as `cargo test` does. `cargo run -p oasis-tidy -- ROOT`
//! checks another clone of the repository. Each check is a function that takes a [`Tree`] and returns
//! [`Finding`]s.

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

/// A rule: its name, and the function that finds its violations.
pub type Check = (&'static str, fn(&Tree) -> Vec<Finding>);

/// All rules.
pub const CHECKS: &[Check] = &[
    ("dependencies between Rust files", rust::check),
    ("dependencies between JavaScript modules", javascript::check),
    ("dependencies between packages", crates::check),
    ("length of files", text::check_files),
    ("length of lines", text::check_lines),
    ("notes about open work", text::check_notes),
    ("links", links::check),
    ("the map in ARCHITECTURE.md", map::check),
];
