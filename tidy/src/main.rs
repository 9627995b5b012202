//! Prints the findings in a clone of the repository, and fails if there is at least one finding.
//!
//! The argument is the path of the clone. Without an argument, the program checks this repository.

use std::path::PathBuf;
use std::process::ExitCode;

use oasis_tidy::{CHECKS, Tree};

fn main() -> anyhow::Result<ExitCode> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = std::env::args_os().nth(1).map_or(own, PathBuf::from);
    let tree = Tree::read(&root)?;
    let mut failed = false;
    for (name, check) in CHECKS {
        let findings = check(&tree);
        println!("{name}: {}", if findings.is_empty() { "ok" } else { "untidy" });
        for finding in &findings {
            println!("  {finding}");
        }
        failed |= !findings.is_empty();
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
