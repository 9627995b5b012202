//! Tests of payloads.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

#[test]
fn file_and_directory_names_give_the_event() {
    for (path, event) in [
        ("push.json", Some("push")),
        ("a/push.with-new-branch.payload.json", Some("push")),
        ("workflow_run/completed.payload.json", Some("workflow_run")),
        ("pull_request/opened.json", Some("pull_request")),
        ("0017-check_run-2.json", Some("check_run")),
        ("check_runs.json", None),
        ("opened.json", None),
        ("x/y.json", None),
        ("17.json", None),
    ] {
        assert_eq!(event_of(Path::new(path)).as_deref(), event, "{path}");
    }
    assert!(parse_event("a_new_event").is_ok());
    assert!(parse_event("Push").is_err() && parse_event("").is_err());
}

#[test]
fn compacting_changes_no_value() {
    let text = "{ \"b\" : [1 , 2.50e3 ],\n \"a\\\\\" : \"x \\\" y\" , \"\\\\\":\" \" }";
    let compacted = compact(text);
    assert_eq!(compacted, r#"{"b":[1,2.50e3],"a\\":"x \" y","\\":" "}"#);
    let values = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(values(&compacted), values(text));
}

/// Writes a file below `root`.
fn write_below(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn payloads_come_from_directories_files_and_collections() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write_below(root.path(), path, text);
    let delivery = r#"{"sender":{"login":"octocat"}}"#;
    let spaced = "{\n\"hook_id\": 7\n}";
    write("push/b.json", spaced);
    write("push/a.payload.json", delivery);
    write("settings.json", delivery);
    write("README.md", "no JSON");
    write(
        "index.json",
        &json!([{"name": "star", "description": "", "examples": [{"a": 1}, {}]}]).to_string(),
    );
    let found = load(&[root.path().to_owned()], None).unwrap();
    let payloads: Vec<_> = found.payloads.iter().map(|p| (p.event.as_str(), &p.body[..])).collect();
    assert_eq!(
        payloads,
        [
            ("star", &b"{\"a\":1}"[..]),
            ("star", b"{}"),
            ("push", delivery.as_bytes()),
            ("push", spaced.as_bytes())
        ]
    );
    assert_eq!(found.skipped, Skipped { nameless: 1, foreign: 0 });

    let one = |path: &str, event| load(&[root.path().join(path)], event).map(|loaded| loaded.payloads);
    assert_eq!(one("settings.json", Some("watch")).unwrap()[0].event, "watch");
    assert!(one("settings.json", None).unwrap_err().is::<Usage>());
    assert!(one("README.md", Some("push")).unwrap_err().to_string().contains("not JSON"));
    assert!(one("absent.json", None).unwrap_err().to_string().contains("cannot be read"));
    write("push.json", "[1]");
    assert!(one("push.json", None).unwrap_err().to_string().contains("{name, examples}"));
    write("push.json", "3");
    assert!(one("push.json", None).unwrap_err().to_string().contains("a JSON object"));
}

#[test]
fn files_of_a_project_that_are_no_payloads_are_skipped() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write_below(root.path(), path, text);
    let delivery = r#"{"sender":{"login":"octocat"}}"#;
    write("push.json", delivery);
    write("package.json", r#"{"name":"x","repository":{"type":"git","url":"https://h/x"}}"#);
    write("push/tsconfig.json", "{ // not JSON\n}");
    write("label.json", "[1]");
    write("index.json", "[]");
    write("settings.json", "{}");
    for hidden in ["node_modules/a/push.json", ".git/push.json", "a/.cache/push.json"] {
        write(hidden, delivery);
    }
    let found = load(&[root.path().to_owned()], None).unwrap();
    assert_eq!(found.payloads.len(), 1);
    assert_eq!(found.skipped, Skipped { nameless: 1, foreign: 4 });
    assert_eq!(
        found.skipped.to_string(),
        "5 JSON files: 1 without an event in the name, 4 without a delivery"
    );
    let forced = load(&[root.path().to_owned()], Some("watch")).unwrap();
    assert_eq!((forced.payloads.len(), forced.skipped.foreign), (1, 5));
}

#[test]
fn the_recorded_deliveries_of_github_look_like_deliveries() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../services/webhook-ingest/tests/payloads");
    let found = load(&[folder.into()], None).unwrap();
    assert!(found.payloads.len() > 10 && found.skipped.is_empty(), "{:?}", found.skipped);
}
