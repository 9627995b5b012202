//! Tests `oasis watch` with a real gateway.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fake::{Answer, Then, serve};
use crate::gateway::Gateway;
use crate::process::{Done, NOBODY, oasis};

const RUN: &str = "https://github.com/acme/gateway/actions/runs";

fn run(gateway: &Gateway, vtid: &str, id: u32, status: &str) {
    let link = format!("{RUN}/{id}");
    let flags = ["--vtid", vtid, "--source", "github.actions", "--link", &link];
    gateway.emit("workflow_run", status, &flags, &["name=CI", "repository=acme/gateway"]);
}

fn watch(gateway: &Gateway, vtid: &str, flags: &[&str]) -> Done {
    oasis(&[&["watch", vtid, "--url", &gateway.url, "--settle", "200ms"], flags].concat()).finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_the_outcome() {
    let gateway = Gateway::start().await;
    for (nth, (status, code)) in [("success", 0), ("failure", 1), ("cancelled", 3)].into_iter().enumerate() {
        let vtid = format!("DEV-CICDL-000{nth}");
        run(&gateway, &vtid, nth as u32, "queued");
        run(&gateway, &vtid, nth as u32, status);
        // An agent that still works on the task does not keep the task running.
        gateway.emit("ping", "in_progress", &["--vtid", &vtid, "--source", "agent.ping"], &["agent=planner"]);
        let done = watch(&gateway, &vtid, &[]);
        assert_eq!(done.code, code, "{}{}", done.stdout, done.stderr);
        assert_eq!(done.stdout.lines().count(), 3, "{}", done.stdout);
        assert!(done.stdout.contains(&format!("\n{vtid}: {status}")), "{}", done.stdout);
    }
    run(&gateway, "DEV-CICDL-0009", 9, "in_progress");
    let done = watch(&gateway, "DEV-CICDL-0009", &["--timeout", "1s"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert!(done.stdout.ends_with("DEV-CICDL-0009: not ended after 1s: running: CI\n"), "{}", done.stdout);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_waits_for_the_end_of_a_running_task() {
    let gateway = Gateway::start().await;
    run(&gateway, "DEV-CICDL-0031", 1, "in_progress");
    let flags = ["watch", "DEV-CICDL-0031", "--url", &gateway.url, "--settle", "200ms"];
    let (mut running, mut lines) = oasis(&flags).start();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains("in_progress  DEV-CICDL-0031  CI"));
    run(&gateway, "DEV-CICDL-0099", 2, "failure");
    run(&gateway, "DEV-CICDL-0031", 1, "success");
    assert!(next().contains("success      DEV-CICDL-0031  CI"));
    assert_eq!(next(), "DEV-CICDL-0031: success");
    let (code, stderr) = running.finish();
    assert_eq!(code, 0, "{stderr}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_output_is_closed_does_not_report_success() {
    let gateway = Gateway::start().await;
    run(&gateway, "DEV-CICDL-0031", 1, "in_progress");
    let (mut running, mut lines) = oasis(&["watch", "DEV-CICDL-0031", "--url", &gateway.url]).start();
    lines.next().unwrap().unwrap();
    drop(lines);
    run(&gateway, "DEV-CICDL-0031", 1, "success");
    let (code, stderr) = running.finish();
    assert_eq!(code, 5, "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    gateway.stop().await;
}

#[test]
fn a_watch_reads_again_after_the_query_api_was_away() {
    let reads = AtomicUsize::new(0);
    let gateway = serve(move |_, request| {
        if request.line.starts_with("GET /api/v1/devhub/feed") {
            let body = "data: {\"type\":\"connected\",\"mode\":\"live\",\"head\":7}\n\nid: 7\ndata: {}\n\n";
            return Answer::feed(body, Then::Silence);
        }
        match reads.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::json("200 OK", "[]"),
            1 => {
                Answer::json("503 Service Unavailable", r#"{"error":{"code":"busy","message":"Too many."}}"#)
            }
            _ => {
                let event = r#"[{"id":7,"ts":"2026-01-02T03:04:05Z","kind":"deploy","status":"failure"}]"#;
                Answer::json("200 OK", event)
            }
        }
    });
    let done = oasis(&["watch", "DEV-CICDL-0031", "--url", &gateway.url, "--settle", "100ms"]).finish();
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stdout.starts_with("2026-01-02 03:04:05  failure"), "{}", done.stdout);
    assert!(done.stderr.starts_with("DEV-CICDL-0031 has no events yet"), "{}", done.stderr);
    assert!(done.stderr.contains("Too many. (503 busy); reading again in 1."), "{}", done.stderr);
}

#[test]
fn the_age_of_the_last_event_is_measured_by_the_clock_of_the_gateway() {
    // The last event is 3 s, or two hours, old. By the clock of this machine, it is much older.
    for (date, code) in [
        ("date: Fri, 02 Jan 2026 03:04:08 GMT\r\n", 4),
        ("date: Fri, 02 Jan 2026 05:04:05 GMT\r\n", 1),
        ("", 4),
    ] {
        let gateway = serve(move |_, request| {
            if request.line.starts_with("GET /api/v1/devhub/feed") {
                let connected = "data: {\"type\":\"connected\",\"mode\":\"live\",\"head\":7}\n\n";
                return Answer::feed(connected, Then::Silence);
            }
            let body = r#"[{"id":7,"ts":"2026-01-02T03:04:05Z","recorded_at":"2026-01-02T03:04:05Z",
                "kind":"deploy","status":"failure"}]"#;
            let head = format!("HTTP/1.1 200 OK\r\n{date}content-length: {}\r\n\r\n", body.len());
            Answer { parts: vec![head.into(), body.into()], then: Then::Next }
        });
        let flags = ["watch", "DEV-CICDL-0031", "--url", &gateway.url, "--settle", "1h", "--timeout", "2s"];
        let done = oasis(&flags).finish();
        assert_eq!(done.code, code, "{date}{}{}", done.stdout, done.stderr);
    }
}

#[test]
fn a_gateway_that_does_not_answer_ends_the_watch_after_the_timeout() {
    let silent = serve(|_, _| Answer { parts: Vec::new(), then: Then::Silence });
    let flags = ["watch", "DEV-CICDL-0031", "--url", &silent.url, "--timeout", "500ms"];
    let done = oasis(&flags).finish();
    assert_eq!(done.code, 5, "{}", done.stderr);
    assert!(done.stderr.contains("did not answer within the time of --timeout"), "{}", done.stderr);
}

#[test]
fn a_task_that_cannot_be_watched_has_its_own_exit_code() {
    let done = oasis(&["watch", "DEV-CICDL-0031", "--url", NOBODY]).finish();
    assert_eq!((done.code, done.stdout.as_str()), (5, ""));
    assert!(
        done.stderr.contains("error: cannot connect to") && done.stderr.contains("tried:"),
        "{}",
        done.stderr
    );
}
