//! Tests `oasis replay` against a fake webhook-ingest that checks every signature.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use serde_json::json;
use tempfile::TempDir;

use crate::fake::{Answer, Fake, Request, serve};
use crate::process::{Done, NOBODY, oasis};

pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// The answer of a webhook-ingest that stores every signed delivery.
pub(crate) fn stored(request: &Request) -> Answer {
    assert_eq!(request.line, "POST /webhooks/github");
    assert_eq!(request.header("content-type"), Some("application/json"));
    if request.is_signed(SECRET) {
        Answer::json("200 OK", r#"{"ok":true,"id":1,"vtid":"UNSET","title":"t"}"#)
    } else {
        Answer::json("401 Unauthorized", r#"{"error":{"code":"bad_signature","message":"Wrong."}}"#)
    }
}

fn replay(service: &Fake, path: &Path, flags: &[&str]) -> Done {
    let path = path.to_str().unwrap();
    oasis(&[&["replay", path, "--url", &service.url], flags].concat())
        .env("GITHUB_WEBHOOK_SECRET", SECRET)
        .finish()
}

/// A collection file with the payloads `{"n":0}`, `{"n":1}`, …, one for each of these event names.
fn collection(names: &[&str]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index.json");
    let entries = names.iter().enumerate().map(|(n, name)| json!({"name": name, "examples": [{"n": n}]}));
    fs::write(&path, serde_json::to_vec_pretty(&entries.collect::<Vec<_>>()).unwrap()).unwrap();
    (directory, path)
}

#[test]
fn every_answer_is_counted() {
    let service = serve(|_, request| {
        let signed = stored(request);
        match request.header("x-github-event").unwrap() {
            "push" => signed,
            "ping" => Answer::json("200 OK", r#"{"ok":true,"duplicate":true}"#),
            "release" => {
                Answer::json("400 Bad Request", r#"{"error":{"code":"bad_payload","message":"No."}}"#)
            }
            other => Answer::json("202 Accepted", &json!({"ok": true, "ignored": other}).to_string()),
        }
    });
    let (_directory, path) = collection(&["push", "push", "ping", "star", "watch", "star", "release"]);
    let done = replay(&service, &path, &[]);
    assert_eq!(done.code, 1);
    assert_eq!(
        done.stdout,
        "stored     2\nduplicate  1\nignored    3  (star 2, watch 1)\n\
         refused    1  (400 bad_payload 1)\nfailed     0\n"
    );
    assert!(
        done.stderr.contains("index.json, release 0 (release): No. (400 bad_payload)"),
        "{}",
        done.stderr
    );
    let requests = service.requests();
    let ids: BTreeSet<_> =
        requests.iter().map(|request| request.header("x-github-delivery").unwrap()).collect();
    assert_eq!((requests.len(), ids.len()), (7, 7));
}

#[test]
fn concurrency_1_keeps_the_order_and_the_bytes() {
    let service = serve(|_, request| stored(request));
    let directory = tempfile::tempdir().unwrap();
    let payload = |n: u8| format!("{{\n  \"n\": {n},\n  \"sender\": {{\"login\": \"octocat\"}}\n}}\n");
    for n in 10..40 {
        fs::write(directory.path().join(format!("{n}-push.json")), payload(n)).unwrap();
    }
    let done = replay(&service, directory.path(), &["--concurrency", "1", "--limit", "25", "--quiet"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
    let bodies: Vec<_> = service.requests().into_iter().map(|request| request.body).collect();
    let expected: Vec<_> = (10..35).map(|n| payload(n).into_bytes()).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn files_that_are_no_payloads_are_skipped_and_counted() {
    let service = serve(|_, request| stored(request));
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("push.json", r#"{"sender":{"login":"octocat"}}"#);
    write("package.json", r#"{"name":"payloads"}"#);
    write("settings.json", "{}");
    write("node_modules/payloads/push.json", r#"{"sender":{"login":"octocat"}}"#);
    let done = replay(&service, directory.path(), &[]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let skipped = "skipped    2 JSON files: 1 without an event in the name, 1 without a delivery\n";
    assert!(done.stdout.starts_with("stored     1\n") && done.stdout.ends_with(skipped), "{}", done.stdout);
    assert_eq!(service.requests().len(), 1);

    fs::remove_file(directory.path().join("push.json")).unwrap();
    let done = replay(&service, directory.path(), &[]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("no payloads (skipped 2 JSON files"), "{}", done.stderr);
}

#[test]
fn deliveries_are_concurrent_up_to_the_limit() {
    // Each answer waits until three requests are in progress. If fewer requests were in progress at once, the
    // test would hang.
    let together = Barrier::new(3);
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let seen = Arc::clone(&counts);
    let service = serve(move |_, request| {
        let (in_progress, max) = &*seen;
        max.fetch_max(in_progress.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        together.wait();
        in_progress.fetch_sub(1, Ordering::SeqCst);
        stored(request)
    });
    let (_directory, path) = collection(&["push"; 30]);
    let done = replay(&service, &path, &["--concurrency", "3"]);
    assert!(done.code == 0 && done.stdout.starts_with("stored     30\n"), "{done:?}");
    assert_eq!(counts.1.load(Ordering::SeqCst), 3);
}

#[test]
fn a_busy_service_gets_the_same_delivery_again() {
    let service = serve(|number, request| match number {
        0 | 1 => Answer::json("503 Service Unavailable", r#"{"error":{"code":"busy","message":"Busy."}}"#),
        _ => stored(request),
    });
    let (_directory, path) = collection(&["push"]);
    let done = replay(&service, &path, &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let ids: BTreeSet<_> = service
        .requests()
        .iter()
        .map(|request| request.header("x-github-delivery").unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn a_wrong_secret_and_bad_files_are_reported() {
    let service = serve(|_, request| stored(request));
    let (_directory, path) = collection(&["push", "ping"]);
    let done = replay(&service, &path, &["--secret", "wrong"]);
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains("refused    2  (401 bad_signature 2)"), "{}", done.stdout);
    assert!(!done.stderr.contains("wrong"), "{}", done.stderr);

    fs::write(&path, "[{]").unwrap();
    let done = replay(&service, &path, &[]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("neither a payload nor an array"), "{}", done.stderr);
    let nameless = path.with_file_name("opened.json");
    fs::write(&nameless, "{}").unwrap();
    let done = replay(&service, &nameless, &[]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("pass --event"), "{}", done.stderr);
    assert_eq!(service.requests().len(), 2);
}

#[test]
fn an_unreachable_service_ends_the_run() {
    let (_directory, path) = collection(&["push"; 50]);
    let done =
        oasis(&["replay", path.to_str().unwrap(), "--secret", SECRET, "--url", &format!("http://{NOBODY}")])
            .finish();
    assert_eq!(done.code, 1);
    assert!(done.stdout.ends_with("failed     8\nnot sent   42\n"), "{}", done.stdout);
    assert!(done.stderr.contains(&format!("tried: http://{NOBODY}, from --url")), "{}", done.stderr);
    assert_eq!(done.stderr.matches("tried:").count(), 1, "{}", done.stderr);
}
