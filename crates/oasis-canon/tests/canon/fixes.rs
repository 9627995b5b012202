//! Fixes of single workflows and of the references to them.

use oasis_canon::{Renames, Tree};

use crate::repository::{Files, applied, files, found, plan, plan_in, renames, report};

const DEPLOY: &str = ".github/workflows/deploy-gateway.yml";
const NEW: &str = ".github/workflows/DEPLOY-GATEWAY.yml";

/// A repository with one workflow and another file.
fn with(path: &str, text: &str) -> Files {
    files(&[(DEPLOY, "name: Deploy gateway\nrun-name: ${{ inputs.vtid }}\non: push\n"), (path, text)])
}

/// The text of the other file after the fix.
fn fixed(path: &str, text: &str) -> String {
    let files = with(path, text);
    applied(&files, &plan(&files, &Renames::default()))[path].clone()
}

#[test]
fn a_workflow_gets_canonical_names_and_a_run_name() {
    let text = "# Deploys\nname: \"Deploy gateway\" # shown in the list\non:\n  push:\njobs: {}\n";
    let before = files(&[(DEPLOY, text)]);
    let plan = plan(&before, &Renames::default());
    let after = applied(&before, &plan);
    assert_eq!(
        after[NEW],
        "# Deploys\nname: \"DEPLOY-GATEWAY\" # shown in the list\nrun-name: \"DEPLOY-GATEWAY: ${{ \
         github.event.pull_request.title || github.event.head_commit.message || github.ref_name }}\"\non:\n  \
         push:\njobs: {}\n"
    );
    assert!(plan.unfixed.is_empty());
    // Only the warning is left: a layer cannot be invented.
    assert_eq!(found(&report(&Tree::of_files(after))), [("workflow-name-parts", NEW)]);
}

#[test]
fn a_workflow_without_a_name_gets_the_name_of_its_file() {
    let before = files(&[(DEPLOY, "---\n# c\non: workflow_call\n")]);
    let after = applied(&before, &plan(&before, &Renames::default()));
    assert_eq!(after[NEW], "---\n# c\nname: DEPLOY-GATEWAY\non: workflow_call\n");
}

#[test]
fn references_in_workflows_follow() {
    let other = ".github/workflows/CICDL-CORE-AFTER.yml";
    let head = "name: CICDL-CORE-AFTER\nrun-name: ${{ inputs.vtid }}\n";
    for (text, expected) in [
        (
            "on:\n  workflow_run:\n    workflows: [\"Deploy gateway\", X] # c\n",
            "on:\n  workflow_run:\n    workflows: [\"DEPLOY-GATEWAY\", X] # c\n",
        ),
        (
            "on:\n  workflow_run:\n    workflows: Deploy gateway\n",
            "on:\n  workflow_run:\n    workflows: DEPLOY-GATEWAY\n",
        ),
        (
            "jobs:\n  a:\n    uses: ./.github/workflows/deploy-gateway.yml\n",
            "jobs:\n  a:\n    uses: ./.github/workflows/DEPLOY-GATEWAY.yml\n",
        ),
        (
            "jobs:\n  a:\n    uses: acme/shop/.github/workflows/deploy-gateway.yml@main\n",
            "jobs:\n  a:\n    uses: acme/shop/.github/workflows/DEPLOY-GATEWAY.yml@main\n",
        ),
        (
            "jobs:\n  a:\n    if: github.event.workflow_run.name == 'Deploy gateway'\n",
            "jobs:\n  a:\n    if: github.event.workflow_run.name == 'DEPLOY-GATEWAY'\n",
        ),
        (
            "on:\n  push:\n    paths: ['.github/workflows/deploy-gateway.yml']\n",
            "on:\n  push:\n    paths: ['.github/workflows/DEPLOY-GATEWAY.yml']\n",
        ),
    ] {
        assert_eq!(fixed(other, &format!("{head}{text}")), format!("{head}{expected}"));
    }
    for text in [
        "jobs:\n  a:\n    uses: other/shop/.github/workflows/deploy-gateway.yml@main\n",
        "jobs:\n  a:\n    uses: ./.github/workflows/pre-deploy-gateway.yml\n",
        "jobs:\n  a:\n    name: Deploy gateway\n",
        "jobs:\n  a:\n    if: github.job == 'Deploy gateway'\n",
        "jobs:\n  a:\n    if: env.MODE == 'Deploy gateway' && github.workflow_ref != ''\n",
        "jobs:\n  a:\n    if: github.workflow_ref == 'Deploy gateway'\n",
    ] {
        assert_eq!(fixed(other, &format!("{head}{text}")), format!("{head}{text}"));
    }
}

#[test]
fn references_in_other_files_follow() {
    for (text, expected) in [
        (
            "![x](https://github.com/acme/shop/actions/workflows/deploy-gateway.yml/badge.svg?branch=main)",
            "![x](https://github.com/acme/shop/actions/workflows/DEPLOY-GATEWAY.yml/badge.svg?branch=main)",
        ),
        (
            "https://img.shields.io/github/actions/workflow/status/acme/shop/deploy-gateway.yml",
            "https://img.shields.io/github/actions/workflow/status/acme/shop/DEPLOY-GATEWAY.yml",
        ),
        (
            "https://github.com/acme/shop/workflows/Deploy%20gateway/badge.svg",
            "https://github.com/acme/shop/workflows/DEPLOY-GATEWAY/badge.svg",
        ),
        (
            "see [it](../.github/workflows/deploy-gateway.yml).",
            "see [it](../.github/workflows/DEPLOY-GATEWAY.yml).",
        ),
        ("`gh workflow run deploy-gateway.yml`", "`gh workflow run DEPLOY-GATEWAY.yml`"),
        ("The workflow deploy-gateway.yml.", "The workflow DEPLOY-GATEWAY.yml."),
        ("needs `Deploy gateway / build`", "needs `DEPLOY-GATEWAY / build`"),
        ("needs `Deploy gateway`", "needs `DEPLOY-GATEWAY`"),
        ("`gh run list --workflow=deploy-gateway.yml`", "`gh run list --workflow=DEPLOY-GATEWAY.yml`"),
    ] {
        assert_eq!(fixed("README.md", text), expected);
    }
    for text in [
        "https://github.com/other/shop/actions/workflows/deploy-gateway.yml",
        "https://github.com/acme/shop2/actions/workflows/deploy-gateway.yml",
        "config/deploy-gateway.yml",
        "config-name: deploy-gateway.yml # config of this workflow",
        "https://github.com/other/shop/workflows/Deploy%20gateway/badge.svg",
        "https://github.com/acme/shop/blob/v1.0.0/.github/workflows/deploy-gateway.yml",
        "uses: acme/shop/.github/workflows/deploy-gateway.yml@0123456789abcdef",
        "the file deploy-gateway.yml",
        "Deploy gateway is a sentence",
    ] {
        assert_eq!(fixed("README.md", text), text);
    }
    assert_eq!(
        fixed("CHANGELOG.md", "`.github/workflows/deploy-gateway.yml`"),
        "`.github/workflows/deploy-gateway.yml`"
    );
}

#[test]
fn a_mention_in_a_program_is_reported_and_left() {
    let files = with("src/main.rs", "// x\nconst PATH: &str = \".github/workflows/deploy-gateway.yml\";\n");
    let plan = plan(&files, &Renames::default());
    assert_eq!(applied(&files, &plan)["src/main.rs"], files["src/main.rs"]);
    assert!(plan.unfixed[0].message.contains("line 2 mentions deploy-gateway.yml"), "{:?}", plan.unfixed);
}

#[test]
fn a_name_that_another_workflow_keeps_is_not_given_and_not_followed() {
    let after = ".github/workflows/CICDL-CORE-AFTER.yml";
    let trigger = "name: CICDL-CORE-AFTER\nrun-name: ${{ inputs.vtid }}\non:\n  workflow_run:\n    \
                   workflows: [Deploy gateway]\n";
    let mut files = with(after, trigger);
    // This workflow cannot be edited, so it keeps its name.
    let flow = "{name: Deploy gateway, on: push}\n";
    files.insert(".github/workflows/CICDL-CORE-FLOW.yml".to_owned(), flow.to_owned());
    assert_eq!(applied(&files, &plan(&files, &Renames::default()))[after], trigger);

    let flow = flow.replace("Deploy gateway", "DEPLOY-GATEWAY");
    files.insert(".github/workflows/CICDL-CORE-FLOW.yml".to_owned(), flow);
    let plan = plan(&files, &Renames::default());
    assert!(applied(&files, &plan)[NEW].starts_with("name: Deploy gateway\n"), "{}", plan.diff());
}

#[test]
fn a_workflow_that_is_named_as_its_file_is_fixed_once() {
    let path = ".github/workflows/deploy-x.yml";
    let before = files(&[(path, "name: 'deploy-x.yml'\nrun-name: ${{ inputs.vtid }}\non: push\n")]);
    let after = applied(&before, &plan(&before, &Renames::default()));
    assert!(after[".github/workflows/DEPLOY-X.yml"].starts_with("name: 'DEPLOY-X-YML'\n"));
    assert!(plan(&after, &Renames::default()).fixed.is_empty());
}

#[test]
fn a_workflow_about_the_changelog_is_no_history() {
    let path = ".github/workflows/CHANGELOG-UPDATE.yml";
    let text = "name: X-Y-Z\nrun-name: ${{ inputs.vtid }}\njobs:\n  a:\n    uses: \
                ./.github/workflows/deploy-gateway.yml\n";
    assert!(fixed(path, text).contains("DEPLOY-GATEWAY.yml"));
}

#[test]
fn a_mention_in_quotes_is_reported() {
    let path = ".github/workflows/CICDL-CORE-AFTER.yml";
    let text = "name: X-Y-Z\nrun-name: ${{ inputs.vtid }}\njobs:\n  a:\n    env: {A: \"Deploy gateway\"}\n";
    let plan = plan(&with(path, text), &Renames::default());
    assert!(plan.unfixed.iter().any(|one| one.message.starts_with("line 5 mentions")), "{:?}", plan.unfixed);
}

#[test]
fn a_template_of_a_repository_keeps_its_references() {
    let text = "see ./.github/workflows/deploy-gateway.yml";
    let mut files = with("templates/app/README.md", text);
    files.insert("templates/app/.github/workflows/deploy-gateway.yml".to_owned(), String::new());
    assert_eq!(applied(&files, &plan(&files, &Renames::default()))["templates/app/README.md"], text);
}

#[test]
fn a_link_to_an_unknown_repository_is_reported() {
    let link = "x\nhttps://github.com/acme/shop/actions/workflows/deploy-gateway.yml\n";
    let plan = plan_in(&with("README.md", link), &Renames::default(), None);
    assert_eq!(plan.unfixed.len(), 1);
    assert!(plan.unfixed[0].message.contains("line 2"), "{}", plan.unfixed[0].message);
}

#[test]
fn a_chosen_name_is_used_and_may_be_given_again() {
    let path = ".github/workflows/ci.yml";
    let before = files(&[
        (path, "name: CI\nrun-name: ${{ inputs.vtid }}\non: push\n"),
        ("README.md", "`CI / build`, and the variable `CI`"),
    ]);
    let chosen = renames(&["ci.yml=CICDL-CORE-CHECK.yml", "CI=CICDL-CORE-CHECK"]);
    let after = applied(&before, &plan(&before, &chosen));
    let new = &after[".github/workflows/CICDL-CORE-CHECK.yml"];
    assert!(new.starts_with("name: CICDL-CORE-CHECK\n"), "{new}");
    assert_eq!(after["README.md"], "`CICDL-CORE-CHECK / build`, and the variable `CI`");
    assert!(plan(&after, &chosen).fixed.is_empty());
    assert_eq!(found(&report(&Tree::of_files(after))), []);
}

#[test]
fn a_chosen_name_that_cannot_be_used_is_refused() {
    let parse = |texts: &[&str]| {
        Renames::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
            .unwrap_err()
            .to_string()
    };
    assert!(parse(&["x"]).contains("expected OLD=NEW"));
    assert!(parse(&["ci.yml=CI-X"]).contains("two file names"));
    assert!(parse(&["CI=ci"]).contains("two words in capitals"));
    assert!(parse(&["CI=A-B", "CI=A-C"]).contains("given twice"));
    let tree = Tree::of_files(with("x", ""));
    let unknown = oasis_canon::Plan::of(&tree, &oasis_canon::Config::default(), &renames(&["CI=A-B"]));
    assert!(unknown.unwrap_err().to_string().contains("no workflow has this name: CI"));
}

#[test]
fn what_cannot_be_fixed_safely_is_reported() {
    for (texts, message) in [
        (vec![(DEPLOY, "name: &n Deploy x\non: push\n")], "has an anchor"),
        (vec![(DEPLOY, "{name: Deploy x, on: push}\n")], "is in braces"),
        (vec![(DEPLOY, "name: >-\n  Deploy x\non: push\n")], "is not on one line"),
        (vec![(DEPLOY, "? name\n: Deploy x\n? on\n: push\n")], "by hand"),
        (vec![(DEPLOY, "name: [\n")], "cannot be read"),
        (vec![(".github/workflows/ci.yml", "name: X-Y\n")], "choose a name for the file"),
        (vec![(DEPLOY, "name: CI\n")], "choose a name for the workflow \"CI\""),
        (vec![(".github/workflows/ci.yml", "on: push\n")], "choose a name for the workflow \"\""),
        (vec![(DEPLOY, "name: X-Y\n"), (NEW, "name: X-Z\n")], "a file with this name exists"),
        (
            vec![(DEPLOY, "name: X-Y\n"), (".github/workflows/deploy_gateway.yml", "name: X-Z\n")],
            "several files would get this name",
        ),
        (vec![(DEPLOY, "name: A b\n"), (".github/workflows/X-Y.yml", "name: A-B\n")], "several workflows"),
    ] {
        let before = files(&texts);
        let plan = plan(&before, &Renames::default());
        let found = plan.unfixed.iter().any(|unfixed| unfixed.message.contains(message));
        assert!(found, "{texts:?}: {:?}", plan.unfixed);
    }
}

#[test]
fn settings_and_exceptions_apply_to_fixes() {
    let text = "name: Deploy x\nrun-name: ${{ inputs.vtid }}\non: push\n";
    let exception = "[[exceptions]]\nrule = \"workflow-file-name\"\n\
                     path = \".github/workflows/deploy-gateway.yml\"\nreason = \"named by a tool\"\n\
                     [rules.workflow-name]\nlevel = \"off\"\nreason = \"x\"\n";
    let tree = Tree::of_files(files(&[(DEPLOY, text), ("canon.toml", exception)]));
    let config = oasis_canon::Config::read(&tree).unwrap();
    assert!(oasis_canon::Plan::of(&tree, &config, &Renames::default()).unwrap().fixed.is_empty());
}
