//! Tests of valid deliveries: the answers and the stored events.

use std::time::Duration;

use hyper::Method;
use oasis_postgres::testing;
use rustix::process::Signal;
use serde_json::json;
use tokio_postgres::NoTls;

use crate::github::{Client, Push};
use crate::payloads::{ALL, event_of, text, variant};
use crate::process::{EXITS_WITHIN, Receiver, database, free_port};
use crate::server::{JSON, SECRET, Server, sign};

#[tokio::test]
async fn a_delivery_is_stored_once_and_then_answered_as_a_duplicate() {
    let server = Server::start_with(&["--github-modules", "octo-org/*=repository"]).await;
    let payload = variant(
        "workflow_run.completed",
        &[("/workflow_run/display_title", json!("[DEV-CICDL-0031] Größere Knöpfe 🚀"))],
    );
    let stored = server.deliver("workflow_run", &payload).await;
    assert_eq!(stored.status, 200);
    let id = stored.body["id"].as_i64().unwrap();
    assert_eq!(
        stored.body,
        json!({"ok": true, "id": id, "vtid": "DEV-CICDL-0031", "title": "CICDL-OCTO-REPO-WORKFLOW-RUN"})
    );
    for _ in 0..2 {
        let again = server.deliver("workflow_run", &payload).await;
        assert_eq!((again.status.as_u16(), again.body), (200, json!({"ok": true, "duplicate": true})));
    }
    let rows = server.rows().await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    for (field, value) in [
        ("id", json!(id)),
        ("ts", json!("2020-10-05T16:33:49+00:00")),
        ("vtid", json!("DEV-CICDL-0031")),
        ("layer", json!("CICDL")),
        ("module", json!("OCTO-REPO")),
        ("source", json!("github.actions")),
        ("kind", json!("workflow_run")),
        ("status", json!("success")),
        ("title", json!("CICDL-OCTO-REPO-WORKFLOW-RUN")),
        ("ref", json!("vt/DEV-CICDL-0031-workflow-run")),
        ("link", json!("https://github.com/octo-org/octo-repo/actions/runs/289782451")),
        ("channel", json!("devhub")),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    assert_eq!(row["meta"]["title"], "[DEV-CICDL-0031] Größere Knöpfe 🚀");
    assert_eq!(row["meta"]["vtid_from"], "pr_title");
}

#[tokio::test]
async fn every_payload_is_accepted_and_stored_unless_its_event_is_ignored() {
    let server = Server::start().await;
    for (name, text) in ALL {
        let answer = server.deliver(event_of(name), text.as_bytes()).await;
        match event_of(name) {
            "star" => {
                assert_eq!(answer.status, 202, "{name}");
                assert_eq!(answer.body, json!({"ok": true, "ignored": "star"}));
            }
            _ => assert_eq!(answer.status, 200, "{name}: {}", answer.body),
        }
    }
    assert_eq!(server.rows().await.len(), ALL.len() - 1);
}

#[tokio::test]
async fn a_form_is_read_like_json() {
    let server = Server::start().await;
    let payload =
        variant("push.branch", &[("/head_commit/message", json!("Straße + 100% & DEV-CICDL-0031"))]);
    let text = str::from_utf8(&payload).unwrap();
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", text).finish();
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    let stored = server.deliver_as("push", content_type, form.as_bytes()).await;
    assert_eq!((stored.status.as_u16(), &stored.body["vtid"]), (200, &json!("DEV-CICDL-0031")));
    assert_eq!(server.rows().await[0]["meta"]["title"], "Straße + 100% & DEV-CICDL-0031");
    // A second hook with the other content type delivers the same event again.
    let again = server.deliver("push", &payload).await;
    assert_eq!(again.body, json!({"ok": true, "duplicate": true}));

    let nothing = server.deliver_as("push", content_type, b"other=1").await;
    assert_eq!(nothing.refusal(), (400, "bad_payload"));
}

#[tokio::test]
async fn both_secrets_are_accepted_during_a_rotation() {
    let payload = text("push.branch").as_bytes().to_vec();
    let post = async |server: &Server, secret: &str| {
        let signature = sign(secret, &payload);
        let headers =
            [("content-type", JSON), ("x-github-event", "push"), ("x-hub-signature-256", signature.as_str())];
        server.post(&headers, payload.clone()).await.status.as_u16()
    };
    let server = Server::start_with(&["--github-webhook-secret-previous", "old\n"]).await;
    for (secret, status) in [("old", 200), (SECRET, 200), ("older", 401), ("", 401)] {
        assert_eq!(post(&server, secret).await, status, "{secret}");
    }
    let server = Server::start_with(&["--github-webhook-secret-previous", ""]).await;
    for (secret, status) in [(SECRET, 200), ("old", 401), ("", 401)] {
        assert_eq!(post(&server, secret).await, status, "{secret}");
    }
}

#[tokio::test]
async fn an_unknown_state_is_stored_as_info_and_counted() {
    let server = Server::start().await;
    let payload = variant("workflow_run.completed", &[("/workflow_run/conclusion", json!("exploded"))]);
    for _ in 0..2 {
        assert_eq!(server.deliver("workflow_run", &payload).await.status, 200);
    }
    let row = &server.rows().await[0];
    assert_eq!((&row["status"], &row["meta"]["conclusion"]), (&json!("info"), &json!("exploded")));
    let metrics = server.send(Method::GET, "/metrics", &[], "").await.body;
    // All tests of this process share the metrics, but no other test stores an unknown state.
    let line = "github_unknown_state_total{event=\"workflow_run\"} 1\n";
    assert!(metrics.as_str().unwrap().contains(line), "{metrics}");
}

#[tokio::test]
async fn the_probes_answer_and_wrong_methods_or_paths_are_refused() {
    let server = Server::start().await;
    for path in ["/webhooks/health", "/health"] {
        let health = server.send(Method::GET, path, &[], "").await;
        assert_eq!((health.status.as_u16(), &health.body["ok"]), (200, &json!(true)));
        assert_eq!(health.body["service"], "webhook-ingest");
        let timestamp = health.body["timestamp"].as_str().unwrap();
        assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
    }
    assert_eq!(server.send(Method::GET, "/ready", &[], "").await.status, 200);
    let get = server.send(Method::GET, "/webhooks/github", &[], "").await;
    assert_eq!(
        (get.refusal(), get.headers["allow"].to_str().unwrap()),
        ((405, "method_not_allowed"), "POST")
    );
    let put = server.send(Method::PUT, "/webhooks/health", &[], "").await;
    assert_eq!(put.refusal(), (405, "method_not_allowed"));
    for path in ["/", "/webhooks", "/webhooks/github/", "/webhooks/gitlab"] {
        assert_eq!(server.send(Method::POST, path, &[], "").await.refusal(), (404, "not_found"), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_database_deliveries_are_answered_503_and_the_receiver_is_not_ready() {
    let nowhere = "postgres://nobody@127.0.0.1:1/nowhere";
    let server = Server::start_on(testing::empty_database().await, nowhere, &[]).await;
    let started = std::time::Instant::now();
    let answer = server.deliver("push", text("push.branch").as_bytes()).await;
    assert_eq!(answer.refusal(), (503, "database_unavailable"));
    assert!(started.elapsed() < Duration::from_secs(9), "GitHub waits only 10 s");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.body.to_string().contains("127.0.0.1"), "{}", answer.body);
    assert_eq!(server.send(Method::GET, "/ready", &[], "").await.status, 503);
    assert_eq!(server.send(Method::GET, "/webhooks/health", &[], "").await.status, 200);
    // An event that is not stored needs no database.
    assert_eq!(server.deliver("star", text("star.created").as_bytes()).await.status, 202);
}

#[tokio::test]
async fn deliveries_are_answered_503_until_the_database_is_migrated() {
    let database = testing::empty_database().await;
    let url = database.url.clone();
    let server = Server::start_on(database, &url, &[]).await;
    let payload = text("push.branch").as_bytes();
    assert_eq!(server.deliver("push", payload).await.status, 503);
    let ready = server.send(Method::GET, "/ready", &[], "").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.to_string().contains("oasis migrate"), "{}", ready.body);
    oasis_store::migrate(&url.parse().unwrap()).await.unwrap();
    assert_eq!(server.deliver("push", payload).await.status, 200);
    assert_eq!(server.rows().await.len(), 1);
}

/// If an event is valid for oasis-core but the table refuses it, this project has a defect. A redelivery
/// would be refused as well.
#[tokio::test]
async fn an_event_that_only_the_table_refuses_is_answered_500() {
    let database = database().await;
    let (sql, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (kind <> 'push')";
    sql.batch_execute(refuse).await.unwrap();
    let mut receiver = Receiver::start(&database.url, free_port()).await;
    let answer = Client::new(receiver.address).deliver(&Push::new(0, 0)).await.unwrap();
    assert_eq!(answer.refusal(), (500, "internal"));
    assert!(answer.body["error"]["hint"].is_null(), "{}", answer.body);
    assert!(!answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    receiver.signal(Signal::TERM);
    assert!(receiver.ended(EXITS_WITHIN).await.success());
    // The log contains the failure once, with the strict fields of the event, but nothing else from the
    // payload.
    let log = receiver.log();
    let failures: Vec<&str> = log.lines().filter(|line| line.contains("23514")).collect();
    let [line] = failures[..] else { panic!("{failures:?} of {log}") };
    for part in ["ours", "UNSET", "push", "github.actions", "CORE", "devhub", "\"ERROR\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(text("push.branch").contains("Codertocat") && !log.contains("Codertocat"), "{log}");
}
