//! Repositories on the disk: Git, links, files that cannot be written, the baseline.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use oasis_canon::{Baseline, Config, Plan, Renames, Tree, TreeError};

use crate::repository::{files, found, git, on_disk, report};

const DEPLOY: &str = ".github/workflows/deploy-gateway.yml";
const NEW: &str = ".github/workflows/DEPLOY-GATEWAY.yml";
const TEXT: &str = "name: Deploy gateway\nrun-name: ${{ inputs.vtid }}\non: push\n";

fn plan(tree: &Tree) -> Plan {
    Plan::of(tree, &Config::default(), &Renames::default()).unwrap()
}

#[test]
fn a_fix_on_the_disk_renames_with_git_and_keeps_the_mode() {
    let folder = on_disk(&files(&[(DEPLOY, TEXT), ("README.md", "`gh workflow run deploy-gateway.yml`\n")]));
    let root = folder.path();
    fs::set_permissions(root.join("README.md"), Permissions::from_mode(0o750)).unwrap();
    // Git does not know this file yet.
    fs::write(root.join(".github/workflows/new-one.yml"), TEXT.replace("Deploy", "New")).unwrap();
    let (tree, below) = Tree::open(root).unwrap();
    assert_eq!(below, "");
    plan(&tree).write(&tree).unwrap();
    assert_eq!(fs::read_to_string(root.join(NEW)).unwrap(), TEXT.replace("Deploy gateway", "DEPLOY-GATEWAY"));
    assert!(root.join(".github/workflows/NEW-ONE.yml").exists());
    assert!(!root.join(DEPLOY).exists());
    assert_eq!(fs::metadata(root.join("README.md")).unwrap().permissions().mode() & 0o777, 0o750);
    let status = git(root, &["status", "--porcelain", "--", ".github/workflows"]);
    assert!(status.contains(&format!("{DEPLOY} -> {NEW}")), "{status}");
    let (tree, _) = Tree::open(root).unwrap();
    assert!(plan(&tree).fixed.is_empty());
}

#[test]
fn the_diff_can_be_applied_by_git() {
    let folder = on_disk(&files(&[(DEPLOY, TEXT), ("README.md", "`gh workflow run deploy-gateway.yml`")]));
    let (tree, _) = Tree::open(folder.path()).unwrap();
    let patch = folder.path().join("patch");
    fs::write(&patch, plan(&tree).diff()).unwrap();
    git(folder.path(), &["apply", "patch"]);
    let after = fs::read_to_string(folder.path().join(NEW)).unwrap();
    assert!(after.starts_with("name: DEPLOY-GATEWAY\n"), "{after}");
    assert_eq!(
        fs::read_to_string(folder.path().join("README.md")).unwrap(),
        "`gh workflow run DEPLOY-GATEWAY.yml`"
    );
}

#[test]
fn nothing_is_written_if_a_file_cannot_be_written() {
    let folder = on_disk(&files(&[(DEPLOY, TEXT), ("README.md", "`gh workflow run deploy-gateway.yml`\n")]));
    let root = folder.path();
    let (tree, _) = Tree::open(root).unwrap();
    let plan = plan(&tree);
    let refused = |message: &str| {
        let error = plan.write(&tree).unwrap_err().to_string();
        assert!(error.contains(message) && error.contains("nothing was changed"), "{error}");
    };

    fs::set_permissions(root.join(DEPLOY), Permissions::from_mode(0o444)).unwrap();
    refused("is read-only");
    fs::set_permissions(root.join(DEPLOY), Permissions::from_mode(0o644)).unwrap();

    fs::write(root.join(NEW), "").unwrap();
    refused("exists");
    fs::remove_file(root.join(NEW)).unwrap();

    fs::write(root.join("README.md"), "gh workflow\n").unwrap();
    refused("has changed in the meantime");
    git(root, &["checkout", "--quiet", "README.md"]);

    // Git cannot rename while another process has the lock of the index.
    fs::write(root.join(".git/index.lock"), "").unwrap();
    refused("cannot be written");
    fs::remove_file(root.join(".git/index.lock")).unwrap();

    assert_eq!(git(root, &["status", "--porcelain"]), "");
    assert_eq!(fs::read_to_string(root.join(DEPLOY)).unwrap(), TEXT);
    plan.write(&tree).unwrap();
}

#[test]
fn a_folder_that_is_no_repository_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Tree::open(folder.path()), Err(TreeError::NotARepository { .. })));
    let missing = Tree::open(&folder.path().join("missing"));
    assert!(matches!(missing, Err(TreeError::Path { .. })));
}

#[test]
fn links_are_not_followed() {
    let folder = on_disk(&files(&[(".github/workflows/X-Y-Z.yml", TEXT)]));
    let root = folder.path();
    symlink(".", root.join("loop")).unwrap();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    symlink("/etc/passwd", root.join(".github/workflows/passwd.yml")).unwrap();
    git(root, &["add", "--all"]);
    let (tree, _) = Tree::open(root).unwrap();
    assert_eq!(tree.paths().collect::<Vec<_>>(), [".github/workflows/X-Y-Z.yml"]);
}

#[test]
fn a_path_below_the_top_is_relative_to_the_top() {
    let folder = on_disk(&files(&[(DEPLOY, TEXT)]));
    let (_, below) = Tree::open(&folder.path().join(DEPLOY)).unwrap();
    assert_eq!(below, DEPLOY);
    let (_, below) = Tree::open(&folder.path().join(".github")).unwrap();
    assert_eq!(below, ".github");
}

#[test]
fn the_baseline_hides_old_findings_only() {
    let folder = on_disk(&files(&[(DEPLOY, "name: Deploy gateway\non: push\n")]));
    let root = folder.path();
    let open = || Tree::open(root).unwrap().0;
    let first = report(&open());
    assert_eq!(found(&first).len(), 3);
    fs::write(root.join("canon-baseline.json"), Baseline::of(&first.findings).render().unwrap()).unwrap();
    let second = report(&open());
    assert_eq!((found(&second), second.in_baseline), (vec![], 3));

    // The line of a finding may change.
    fs::write(root.join(DEPLOY), "# a comment\nname: Deploy gateway\non: push\n").unwrap();
    assert_eq!(found(&report(&open())), []);
    fs::write(root.join(".github/workflows/ci.yml"), TEXT).unwrap();
    assert_eq!(found(&report(&open())).len(), 2);

    fs::remove_file(root.join(".github/workflows/ci.yml")).unwrap();
    fs::write(root.join(DEPLOY), TEXT).unwrap();
    assert_eq!(found(&report(&open())), [("unused-exception", "canon-baseline.json")]);
}

#[test]
fn bad_workflows_are_findings() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n".to_owned()
        + &(0..40).map(|n| format!("d{n}: &d{n} [*c, *c, *c]\n")).collect::<String>();
    let deep = format!("name: X-Y-Z\na: {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
    let large = format!("name: X-Y-Z\n# {}\n", "x".repeat(1024 * 1024));
    let path = |name: &str| format!(".github/workflows/{name}-Y-Z.yml");
    let all =
        [("A", "name: [\n"), ("B", "- a\n"), ("C", ""), ("D", bomb.as_str()), ("E", &deep), ("F", &large)];
    let named: Vec<_> = all.iter().map(|(name, text)| (path(name), (*text).to_owned())).collect();
    let folder = on_disk(&named.into_iter().collect());
    fs::write(folder.path().join(path("G")), b"name: \xff\n").unwrap();
    fs::write(folder.path().join(path("H")), "name: X-Y-Z\nx: *missing\n").unwrap();
    let report = report(&Tree::open(folder.path()).unwrap().0);
    let unreadable = report.findings.iter().filter(|finding| finding.rule.name() == "workflow-readable");
    let unreadable: Vec<_> =
        unreadable.map(|finding| finding.path[".github/workflows/".len()..][..1].to_owned()).collect();
    assert_eq!(unreadable.concat(), "ABCEFGH");
}
