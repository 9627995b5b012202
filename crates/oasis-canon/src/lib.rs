//! The naming canon: checks the workflows, deploys, services and names of a repository, and fixes what is
//! safe to fix.
//!
//! [`Tree`] lists the files of a repository. [`check`] runs all [`Rule`]s over them and applies the settings
//! in `canon.toml` ([`Config`]) and the [`Baseline`]. [`Plan`] fixes the names of workflows, with all
//! references to them. [`Labels`] makes the labels of a deploy.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod baseline;
mod check;
mod config;
mod finding;
mod fix;
mod labels;
mod render;
mod rule;
mod rules;
mod shell;
mod text;
mod tree;
mod words;
mod workflow;
mod yaml;

pub use baseline::{Baseline, BaselineError, FILE as BASELINE_FILE};
pub use check::{Change, Report, check};
pub use config::{Config, ConfigError, FILE as CONFIG_FILE};
pub use finding::Finding;
pub use fix::{Fixed, Plan, RenameError, Renames, Unfixed, WriteError};
pub use labels::{InvalidLabel, Labels, PATTERNS};
pub use render::{github, json, sarif};
pub use rule::{Level, Rule, UnknownRule};
pub use text::Place;
pub use tree::{ReadError, Tree, TreeError};
