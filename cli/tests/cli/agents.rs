//! Tests `oasis agents` against a fake gateway, and against a real gateway with a database.

use std::time::{Duration, Instant};

use oasis_postgres::testing;
use oasis_service::Shutdown;
use serde_json::Value;

use crate::fake::{Answer, serve};
use crate::gateway::Gateway;
use crate::process::oasis;

const ONE: &str =
    r#"[{"agent":"planner","role":null,"instance":"i","host":"h","pid":7,"vtid":"IDLE","state":"idle"}]"#;

#[test]
fn the_flags_determine_the_request_and_json_is_printed_unchanged() {
    let gateway = serve(|_, _| Answer::json("200 OK", ONE));
    let flags = [
        "agents",
        "--url",
        &gateway.url,
        "--state",
        "late,lost",
        "--vtid",
        "UNSET",
        "--token",
        "t",
        "--json",
    ];
    let done = oasis(&flags).finish();
    assert_eq!((done.code, done.stdout, done.stderr), (0, format!("{ONE}\n"), String::new()));
    let request = &gateway.requests()[0];
    assert_eq!(request.line, "GET /api/v1/oasis/agents?state=late%2Clost&vtid=UNSET");
    assert_eq!(request.header("authorization"), Some("Bearer t"));

    let done = oasis(&["agents", "--url", &gateway.url]).finish();
    assert_eq!(done.stdout.lines().count(), 2);
    assert!(done.stdout.ends_with("planner  -     idle   IDLE  -      -          h/7\n"), "{}", done.stdout);
    assert_eq!(gateway.requests()[0].line, "GET /api/v1/oasis/agents");
}

#[test]
fn an_empty_list_is_not_a_failure() {
    let gateway = serve(|_, _| Answer::json("200 OK", "[]"));
    let done = oasis(&["agents", "--url", &gateway.url]).finish();
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    assert!(done.stderr.starts_with("no agents: an agent appears with its first ping"), "{}", done.stderr);
    let done = oasis(&["agents", "--url", &gateway.url, "--state", "lost"]).finish();
    assert_eq!((done.code, done.stderr.as_str()), (0, "no agent matches the filters\n"));
    let done = oasis(&["agents", "--url", &gateway.url, "--json"]).finish();
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "[]\n", ""));
}

#[test]
fn a_gateway_that_has_just_started_is_asked_again() {
    let gateway = serve(|number, _| match number {
        0..3 => {
            let starting = r#"{"error":{"code":"starting","message":"the agents are not known yet"}}"#;
            Answer::json("503 Service Unavailable", starting)
        }
        _ => Answer::json("200 OK", ONE),
    });
    let done = oasis(&["agents", "--url", &gateway.url, "--json"]).finish();
    assert_eq!((done.code, done.stdout, done.stderr), (0, format!("{ONE}\n"), String::new()));
}

#[test]
fn refusals_and_wrong_servers_are_reported() {
    let body = r#"{"error":{"code":"bad_parameter","message":"parameter `state`: expected one of idle"}}"#;
    let gateway = serve(move |_, _| Answer::json("400 Bad Request", body));
    let done = oasis(&["agents", "--url", &gateway.url, "--state", "dead"]).finish();
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("parameter `state`: expected one of idle"), "{}", done.stderr);
    let page = serve(|_, _| Answer::json("200 OK", "{}"));
    let done = oasis(&["agents", "--url", &page.url]).finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("check that --url is the address of gateway-feed"), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_with_one_name_are_told_apart_by_their_instances() {
    let gateway = Gateway::start().await;
    let agent = ["--source", "agent.ping", "--module", "PLANNER"];
    for instance in ["instance=build-7:1:1767323045", "instance=build-7:1:1767323999"] {
        gateway.emit("ping", "info", &agent, &["agent=planner", "host=build-7", "pid:=1", instance]);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let table = loop {
        let done = oasis(&["agents", "--url", &gateway.url]).finish();
        if done.stdout.lines().count() == 3 {
            break done.stdout;
        }
        assert!(Instant::now() < deadline, "{}{}", done.stdout, done.stderr);
    };
    let last: Vec<&str> = table.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(last, ["INSTANCE", "build-7:1:1767323045", "build-7:1:1767323999"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_lists_an_agent_that_pinged() {
    let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let flags = ["gateway-feed", "--database-url", &db.url, "--ingest-anonymous"];
    let config = <gateway_feed::Config as clap::Parser>::try_parse_from(flags).unwrap();
    let shutdown = Shutdown::manual();
    let gateway = tokio::spawn(gateway_feed::run(config, listener, shutdown.clone()));

    let sent = oasis(&[
        "emit",
        "--url",
        &url,
        "--source",
        "agent.ping",
        "--kind",
        "ping",
        "--status",
        "in_progress",
        "--module",
        "PLANNER",
        "--vtid",
        "DEV-TEST-0001",
        "--meta",
        "agent=planner",
        "--meta",
        "role=PLANNER",
        "--meta",
        "host=build-7",
        "--meta",
        "pid:=42",
        "--meta",
        "interval:=60",
    ])
    .finish();
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let deadline = Instant::now() + Duration::from_secs(60);
    let line = loop {
        let done = oasis(&["agents", "--url", &url]).finish();
        if let Some(line) = done.stdout.lines().nth(1) {
            break line.to_owned();
        }
        assert!(Instant::now() < deadline, "{}", done.stderr);
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..4], ["planner", "PLANNER", "working", "DEV-TEST-0001"]);
    assert_eq!(words[6], "build-7/42");
    let done =
        oasis(&["agents", "--url", &url, "--json", "--vtid", "dev-test-0001", "--state", "working"]).finish();
    let shown: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&shown[0]["instance"], &shown[0]["interval"]), (&"planner".into(), &60.into()));
    shutdown.trigger();
    gateway.await.unwrap().unwrap();
}
