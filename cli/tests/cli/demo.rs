//! Tests `oasis demo` against a fake webhook-ingest.

use std::collections::BTreeSet;

use crate::fake::{Answer, Then, serve};
use crate::process::oasis;
use crate::replay::{SECRET, stored};

#[test]
fn signed_deliveries_arrive_even_if_the_service_is_busy_at_first() {
    let service = serve(|number, request| match number {
        0 => Answer::json("503 Service Unavailable", "{}"),
        _ => stored(request),
    });
    let done = oasis(&["demo", "--url", &service.url, "--count", "60", "--speed", "100000", "--seed", "7"])
        .env("GITHUB_WEBHOOK_SECRET", SECRET)
        .finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 60);
    assert!(lines.iter().all(|line| line.starts_with("stored ") && line.contains(" DEV-")), "{lines:?}");
    let notices: Vec<&str> = done.stderr.lines().collect();
    assert!(notices[0].starts_with("demo deliveries do not arrive; retrying: "), "{notices:?}");
    assert_eq!(notices[1..], ["demo deliveries arrive again"]);
    let requests = service.requests();
    assert_eq!(requests.len(), 61);
    assert_eq!(requests[0].body, requests[1].body);
    let events: BTreeSet<_> =
        requests.iter().map(|request| request.header("x-github-event").unwrap()).collect();
    assert!(events.is_superset(&["push", "pull_request", "workflow_run", "check_run"].into()), "{events:?}");
}

#[test]
fn a_wrong_secret_is_reported() {
    let service = serve(|_, request| stored(request));
    let done =
        oasis(&["demo", "--url", &service.url, "--secret", "wrong", "--count", "1", "--speed", "1000"])
            .finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("a demo delivery was refused"), "{}", done.stderr);
    assert!(!done.stderr.contains('\x1b') && !done.stderr.contains("wrong"), "{}", done.stderr);
}

#[test]
fn the_demo_reports_an_unavailable_service_and_waits_for_it() {
    // The service closes the first connection without an answer. A proxy does the same if there is no service
    // behind it.
    let service = serve(|number, request| match number {
        0 => Answer { parts: Vec::new(), then: Then::Close },
        _ => stored(request),
    });
    let done =
        oasis(&["demo", "--url", &service.url, "--secret", SECRET, "--count", "1", "--seed", "7"]).finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    assert!(done.stderr.starts_with("demo deliveries do not arrive; retrying: "), "{}", done.stderr);
    assert!(!done.stderr.contains("DEBUG"), "{}", done.stderr);
}
