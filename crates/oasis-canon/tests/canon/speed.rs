//! Measures the check of 10,000 workflows on the disk, beside yamllint over the same files in the same run:
//! `cargo test --release -p oasis-canon --test canon -- --ignored --nocapture speed`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use oasis_canon::{Baseline, Change, Config, Tree, check};

use crate::repository::{Files, on_disk};

const WORKFLOWS: usize = 10_000;
const ROUNDS: usize = 5;
/// The most that the median round may take.
const BAR: Duration = Duration::from_secs(2);

/// A workflow of 60 lines.
fn workflow(nth: usize) -> String {
    let steps: String = (0..10)
        .map(|step| {
            format!(
                "      # Step {step}\n      - name: \"Step {step} of {nth}\"\n        \
                 env: {{A: 'x', B: \"y\"}}\n        run: |\n          make step-{step}\n"
            )
        })
        .collect();
    format!(
        "name: CICDL-MODULE-{nth}\nrun-name: \"${{{{ inputs.vtid || github.ref_name }}}}\"\non:\n  \
         push:\n    branches: [main]\njobs:\n  build:\n    runs-on: ubuntu-24.04\n    steps:\n{steps}"
    )
}

fn times(mut round: impl FnMut()) -> Vec<Duration> {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            round();
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

fn yamllint(folder: &Path) -> bool {
    let rules = "{extends: relaxed, rules: {line-length: disable}}";
    let run = Command::new("yamllint").args(["-d", rules, ".github/workflows"]).current_dir(folder).output();
    run.is_ok_and(|output| output.status.success())
}

#[test]
#[ignore = "a measurement, which needs a release build and an idle machine"]
fn speed() {
    let path = |nth: usize| format!(".github/workflows/CICDL-MODULE-{nth}.yml");
    let files: Files = (0..WORKFLOWS).map(|nth| (path(nth), workflow(nth))).collect();
    let folder = on_disk(&files);
    let own = times(|| {
        let (tree, below) = Tree::open(folder.path()).unwrap();
        let report = check(&tree, &Config::default(), Baseline::default(), &Change::default(), &below);
        assert_eq!((report.workflows, report.findings.len()), (WORKFLOWS, 0));
    });
    println!("oasis canon check, {WORKFLOWS} workflows: median {:?}, {:?} to {:?}", own[2], own[0], own[4]);
    if Command::new("yamllint").arg("--version").output().is_ok() {
        let begin = Instant::now();
        assert!(yamllint(folder.path()));
        let other = begin.elapsed();
        println!("yamllint: {other:?}, {:.0} times as long", other.as_secs_f64() / own[2].as_secs_f64());
    } else {
        println!("yamllint is not installed (PyPI)");
    }
    assert!(own[2] <= BAR, "the bar is {BAR:?}");
}
