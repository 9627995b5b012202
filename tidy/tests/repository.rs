//! Checks this repository. `cargo run -p oasis-tidy` prints the same findings.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use oasis_tidy::{CHECKS, Tree};

#[test]
fn the_repository_is_tidy() {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    let findings: Vec<String> = CHECKS
        .iter()
        .flat_map(|(name, check)| check(&tree).into_iter().map(move |finding| format!("[{name}] {finding}")))
        .collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
