//! Tests `oasis emit` against a fake gateway.

use serde_json::{Value, json};

use crate::fake::{Answer, Then, serve};
use crate::process::{NOBODY, oasis};

const MINIMAL: [&str; 5] = ["emit", "--kind", "task.init", "--status", "queued"];

#[test]
fn the_event_is_sent_and_its_id_is_printed() {
    let gateway = serve(|_, _| Answer::json("201 Created", r#"{"ok":true,"ids":[4711]}"#));
    let flags = ["--url", &gateway.url, "--vtid", "DEV-CICDL-0031", "--meta", "host=db1", "--meta", "n:=3"];
    let done = oasis(&[&MINIMAL[..], &flags].concat()).env("INGEST_TOKEN", "hush").finish();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "4711\n", ""));
    let requests = gateway.requests();
    assert_eq!(requests[0].line, "POST /events/ingest");
    assert_eq!(requests[0].header("authorization"), Some("Bearer hush"));
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(
        serde_json::from_slice::<Value>(&requests[0].body).unwrap(),
        json!({
            "kind": "task.init", "status": "queued", "source": "oasis.events", "vtid": "DEV-CICDL-0031",
            "meta": {"host": "db1", "n": 3}
        })
    );
}

#[test]
fn a_duplicate_is_not_a_failure() {
    let gateway = serve(|_, _| Answer::json("201 Created", r#"{"ok":true,"id":7,"ids":[7],"duplicates":1}"#));
    let done = oasis(&[&MINIMAL[..], &["--url", &gateway.url, "--dedup-key", "k"]].concat()).finish();
    assert_eq!((done.code, done.stdout.as_str()), (0, "7\n"));
    assert_eq!(done.stderr, "an event with this dedup key was stored before\n");
}

#[test]
fn a_refusal_is_shown_with_its_message_and_hint() {
    let body =
        r#"{"error":{"code":"ingest_closed","message":"Ingest is closed.","hint":"Set INGEST_TOKENS."}}"#;
    let gateway = serve(move |_, _| Answer::json("403 Forbidden", body));
    let done = oasis(&[&MINIMAL[..], &["--url", &gateway.url, "--token", "hush"]].concat()).finish();
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert_eq!(done.stderr, "error: Ingest is closed. (403 ingest_closed)\n  hint: Set INGEST_TOKENS.\n");
}

#[test]
fn without_an_answer_the_outcome_is_reported_as_unknown() {
    let gateway = serve(|_, _| Answer { parts: vec![b"HTTP/1.1 201".to_vec()], then: Then::Close });
    let done = oasis(&[&MINIMAL[..], &["--url", &gateway.url]].concat()).finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("the event may or may not be stored"), "{}", done.stderr);
    assert_eq!(gateway.requests().len(), 1);
}

#[test]
fn a_service_that_does_not_answer_is_reported_with_what_was_tried() {
    for done in [
        oasis(&[&MINIMAL[..], &["--url", NOBODY]].concat()).finish(),
        oasis(&MINIMAL).env("OASIS_URL", NOBODY).finish(),
    ] {
        assert_eq!(done.code, 1);
        let tried =
            format!("\n  tried: http://{NOBODY}, from --url or OASIS_URL\n  hint: start gateway-feed");
        assert!(done.stderr.contains(&tried), "{}", done.stderr);
    }
}

const RESOURCE: [&str; 5] = ["emit", "--resource", "workload:api", "--status", "Running"];

#[test]
fn a_resource_event_is_sent_and_its_id_is_printed() {
    let gateway = serve(|_, _| Answer::json("201 Created", r#"{"accepted":1,"lastId":4712}"#));
    let flags = [
        "--project",
        "shop",
        "--cluster",
        "eu",
        "--message",
        "3 of 3 replicas",
        "--set",
        "replicas=3",
        "--vtid",
        "DEV-CICDL-0031",
        "--ts",
        "2026-01-02T03:04:05Z",
        "--dedup-key",
        "roll-7",
    ];
    let done = oasis(&[&RESOURCE[..], &flags, &["--url", &gateway.url]].concat())
        .env("INGEST_TOKEN", "hush")
        .finish();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "4712\n", ""));
    let requests = gateway.requests();
    assert_eq!(requests[0].line, "POST /api/v1/events");
    assert_eq!(requests[0].header("authorization"), Some("Bearer hush"));
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[0].header("idempotency-key"), Some("roll-7"));
    assert_eq!(
        serde_json::from_slice::<Value>(&requests[0].body).unwrap(),
        json!({
            "event_type": "workload_status_update", "timestamp": 1_767_323_045, "workload_id": "api",
            "project_id": "shop", "cluster_id": "eu", "status": "Running", "message": "3 of 3 replicas",
            "replicas": 3, "vtid": "DEV-CICDL-0031",
        })
    );
}

#[test]
fn a_bad_resource_event_is_refused_before_it_is_sent() {
    let gateway = serve(|_, _| Answer::json("201 Created", r#"{"accepted":1,"lastId":1}"#));
    for (flags, part) in [
        (&["--status", "running"][..], "`status`: \"running\" is not a status: expected one of Pending,"),
        (&["--status", "Running", "--set", "replicas=many"], "`replicas`: expected a number"),
        (&["--type", "build_failed", "--build", "17"], "`error`: an event of type build_failed must have it"),
    ] {
        let done = oasis(&[&RESOURCE[..3], flags, &["--url", &gateway.url]].concat()).finish();
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{}", done.stderr);
        assert!(done.stderr.contains(part), "{}", done.stderr);
    }
    assert!(gateway.requests().is_empty());
}

#[test]
fn the_refusal_of_a_resource_event_is_shown_with_its_message_and_hint() {
    let body =
        r#"{"error":{"code":"token_missing","message":"A token is needed.","hint":"Set INGEST_TOKENS."}}"#;
    let gateway = serve(move |_, _| Answer::json("401 Unauthorized", body));
    let done = oasis(&[&RESOURCE[..], &["--url", &gateway.url]].concat()).finish();
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert_eq!(done.stderr, "error: A token is needed. (401 token_missing)\n  hint: Set INGEST_TOKENS.\n");
}
