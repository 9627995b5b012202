//! A property of fixes over generated workflows: they mean the same, keep their comments and line ends, and a
//! second run changes nothing.

use oasis_canon::Renames;
use proptest::prelude::*;

use crate::meaning::{meaning, meaning_but_names};
use crate::repository::{Files, applied, plan};

/// The stems of the generated files. Most have a canonical form.
const STEMS: [&str; 6] =
    ["deploy-gateway", "Build_Test", "nightly.e2e", "ci", "CICDL-CORE-CHECK", "prüfe-alles"];
/// The `name:` lines. `%` is a comment.
const NAMES: [&str; 14] = [
    "name: Deploy gateway %",
    "name:   'It''s a build'",
    "name: \"Nightly \\\"e2e\\\" \\u00e4\" %",
    "name: \"Nightly e2e\" %",
    "name: 🚀 Build & Test",
    "name: &name Deploy twice %",
    "name: !!str Tagged name %",
    "name: Folded\n  over lines %",
    "name: >-\n  A block\n  name",
    "name: CI",
    "name: CICDL-CORE-CHECK %",
    "name:",
    "\"name\": quoted key name",
    "",
];
const RUN_NAMES: [&str; 4] =
    ["", "", "run-name: \"${{ inputs.vtid }}\" %", "run-name: by ${{ github.actor }}"];
const TRIGGERS: [&str; 7] = [
    "on: push %",
    "on: [push, pull_request]",
    "on:\n  push:\n    branches: [main] %\n    paths: ['.github/workflows/deploy-gateway.yml']",
    "on:\n  workflow_dispatch:\n    inputs:\n      vtid: {description: \"The task\\tof it\", required: true}",
    "on:\n  workflow_run:\n    workflows: [\"Deploy gateway\", 'Nightly e2e', X] %\n    types: [x]",
    "on:\n  workflow_run:\n    workflows:\n      - Build & Test\n      - Deploy gateway %",
    "on:\n  workflow_call:\n    inputs: {}",
];
const JOBS: [&str; 8] = [
    "  build:\n    runs-on: ubuntu-24.04 %\n    steps:\n      - uses: actions/checkout@v4\n      - run: make",
    "  matrix:\n    strategy:\n      matrix:\n        os: [a]\n        include:\n          - {os: c} %",
    "  call:\n    uses: ./.github/workflows/deploy-gateway.yml %\n    with: {name: x}",
    "  foreign:\n    uses: other/repo/.github/workflows/deploy-gateway.yml@main",
    "  own:\n    uses: acme/shop/.github/workflows/Build_Test.yml@main",
    "  tabs:\n    steps:\n      - run: |\n          # no comment\n          printf 'a\tb'\n          \
     gh workflow run nightly.e2e.yml\n",
    "  anchors:\n    env: &env\n      A: 'ü\t' %\n    steps: &steps\n      - name: s\n        env: *env\n  \
     again:\n    steps: *steps",
    "  compares:\n    if: github.workflow == 'Deploy gateway' %\n    steps: []",
];
/// A workflow of another repository, which keeps its name.
const FOREIGN: &str = "other/repo/.github/workflows/deploy-gateway.yml";
const HEADS: [&str; 4] = ["", "# Head %\n", "---\n", "# a\n\n# b %\n---\n# c\n"];

#[derive(Debug, Clone)]
struct Parts {
    stem: usize,
    head: usize,
    name: usize,
    run_name: usize,
    trigger: usize,
    jobs: Vec<usize>,
    indent: bool,
    crlf: bool,
    mark: bool,
    without_last_newline: bool,
    name_last: bool,
}

fn parts() -> impl Strategy<Value = Parts> {
    let indices = (0..STEMS.len(), 0..HEADS.len(), 0..NAMES.len(), 0..RUN_NAMES.len(), 0..TRIGGERS.len());
    let jobs = proptest::collection::btree_set(0..JOBS.len(), 1..4);
    let flags = proptest::array::uniform5(proptest::bool::weighted(0.2));
    (indices, jobs, flags).prop_map(|(indices, jobs, flags)| {
        let (stem, head, name, run_name, trigger) = indices;
        let [indent, crlf, mark, without_last_newline, name_last] = flags;
        let jobs = jobs.into_iter().collect();
        Parts {
            stem,
            head,
            name,
            run_name,
            trigger,
            jobs,
            indent,
            crlf,
            mark,
            without_last_newline,
            name_last,
        }
    })
}

/// The text of a workflow. Each `%` becomes a comment with a number of its own.
fn render(parts: &Parts) -> String {
    let mut blocks = vec![NAMES[parts.name].to_owned(), RUN_NAMES[parts.run_name].to_owned()];
    blocks.push(TRIGGERS[parts.trigger].to_owned());
    let jobs: Vec<_> = parts.jobs.iter().map(|job| JOBS[*job].trim_end()).collect();
    blocks.push(format!("jobs:\n{}", jobs.join("\n")));
    if parts.name_last {
        blocks.rotate_left(1);
    }
    blocks.retain(|block| !block.is_empty());
    let mut body = blocks.join("\n") + "\n";
    if parts.indent {
        body = body.lines().map(|line| format!("  {line}\n")).collect();
    }
    let mut text = format!("{}{body}", HEADS[parts.head]);
    let mut number = 0;
    while let Some(at) = text.find('%') {
        text.replace_range(at..=at, &format!("# c{number}"));
        number += 1;
    }
    if parts.without_last_newline {
        text.truncate(text.trim_end().len());
    }
    if parts.crlf {
        text = text.replace('\n', "\r\n");
    }
    if parts.mark {
        text.insert(0, '\u{feff}');
    }
    text
}

/// The comments of a text, in order.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.find('#').map(|at| line[at..].trim_end())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_fix_keeps_the_meaning_and_the_form_and_a_second_one_changes_nothing(
        workflows in proptest::collection::vec(parts(), 1..4)
    ) {
        let mut files = Files::new();
        for parts in &workflows {
            files.insert(format!(".github/workflows/{}.yml", STEMS[parts.stem]), render(parts));
        }
        let readme = "[![x](https://github.com/acme/shop/actions/workflows/deploy-gateway.yml/badge.svg)]() \
                      needs `Deploy gateway / build`\n";
        files.insert("README.md".to_owned(), readme.to_owned());
        let first = plan(&files, &Renames::default());
        let after = applied(&files, &first);
        prop_assert_eq!(files.len(), after.len());

        let of_files = |fixed: &oasis_canon::Fixed| {
            let new = fixed.renamed.clone()?;
            Some((fixed.path.rsplit('/').next()?.to_owned(), new.rsplit('/').next()?.to_owned()))
        };
        let mut renamed: Vec<_> = first.fixed.iter().filter_map(of_files).collect();
        renamed.extend([("Deploy gateway", "DEPLOY-GATEWAY"), ("Nightly e2e", "NIGHTLY-E2E"),
                        ("Build & Test", "BUILD-TEST")].map(|(old, new)| (old.to_owned(), new.to_owned())));
        for fixed in first.fixed.iter().filter(|fixed| fixed.path.ends_with(".yml")) {
            // A reference stays if its workflow stays, so both sides are compared with all names replaced.
            // A workflow in another repository keeps its name.
            let foreign = |text: &str| text.replace(FOREIGN, "other");
            let before = meaning_but_names(&foreign(&fixed.before), &renamed);
            let now = meaning_but_names(&foreign(&fixed.after), &renamed);
            prop_assert_eq!(before, now, "{}\n---\n{}", &fixed.before, &fixed.after);
            prop_assert_eq!(comments(&fixed.before), comments(&fixed.after));
            prop_assert_eq!(fixed.after.contains(FOREIGN), fixed.before.contains(FOREIGN));
            let bare = |text: &str| text.replace("\r\n", "").contains('\n');
            prop_assert_eq!(bare(&fixed.before), bare(&fixed.after) && bare(&fixed.before));
            prop_assert!(!fixed.before.contains("\r\n") || !bare(&fixed.after));
            let top = meaning(&fixed.after).unwrap();
            let keys: Vec<_> = top[0].as_array().unwrap().iter().map(|entry| entry[0].clone()).collect();
            let names = keys.iter().filter(|key| **key == "name").count();
            prop_assert!(names <= 1 && keys.iter().filter(|key| **key == "run-name").count() <= 1);
        }

        let second = plan(&after, &Renames::default());
        prop_assert!(second.fixed.is_empty(), "{}", second.diff());
    }
}
