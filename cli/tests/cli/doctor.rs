//! Tests `oasis doctor` against separate services with a real database, and with nothing running.

use std::time::{Duration, Instant};

use oasis_postgres::testing::{self, TestDatabase};
use oasis_service::Shutdown;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::process::{Done, NOBODY, oasis};

const SECRET: &str = "It's a Secret to Everybody";

/// A gateway and a webhook-ingest on their own ports.
struct Services {
    gateway: String,
    webhooks: String,
    shutdown: Shutdown,
    running: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Services {
    /// Starts the services. `flags` are further flags of the gateway.
    async fn start(database: &str, flags: &[&str]) -> Self {
        let (gateway, at_gateway) = listener().await;
        let (webhooks, at_webhooks) = listener().await;
        let database = ["service", "--database-url", database];
        let secret = format!("--github-webhook-secret={SECRET}");
        let gateway_config = <gateway_feed::Config as clap::Parser>::parse_from(database.iter().chain(flags));
        let webhook_config =
            <webhook_ingest::Config as clap::Parser>::parse_from(database.iter().chain([&secret.as_str()]));
        let shutdown = Shutdown::manual();
        let running = vec![
            tokio::spawn(gateway_feed::run(gateway_config, gateway, shutdown.clone())),
            tokio::spawn(webhook_ingest::run(webhook_config, webhooks, shutdown.clone())),
        ];
        Self { gateway: at_gateway, webhooks: at_webhooks, shutdown, running }
    }

    /// Runs `oasis doctor --json` for these services until the gateway has tried to read the table.
    fn doctor(&self, flags: &[&str], variables: &[(&str, &str)]) -> (i32, Value) {
        let own = ["doctor", "--json", "--url", &self.gateway, "--webhook-url", &self.webhooks];
        let folder = tempfile::tempdir().unwrap();
        let all = [&own[..], &["--data", folder.path().to_str().unwrap()], flags].concat();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let done = run(&all, variables);
            let report: Value = serde_json::from_str(&done.stdout).expect(&done.stderr);
            let starts = report.to_string().contains("the table has not been read yet")
                || (finding(&report, "gateway-feed").0 == "ok"
                    && report.to_string().contains("503 starting"));
            if !starts {
                return (done.code, report);
            }
            assert!(Instant::now() < deadline, "{report}");
        }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        for service in self.running {
            service.await.unwrap().unwrap();
        }
    }
}

async fn listener() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    variables.iter().fold(oasis(arguments), |oasis, (name, value)| oasis.env(name, value)).finish()
}

async fn database() -> TestDatabase {
    testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await
}

/// The verdict and the message of a check's first finding.
fn finding<'a>(report: &'a Value, check: &str) -> (&'a str, &'a str) {
    let found = report["checks"].as_array().unwrap().iter().find(|one| one["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} is missing: {report}"));
    assert_eq!(found["hint"].is_null(), found["verdict"] == "ok", "{found}");
    (found["verdict"].as_str().unwrap(), found["message"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_services_with_the_right_settings_have_no_problem() {
    let db = database().await;
    let services = Services::start(&db.url, &["--ingest-anonymous"]).await;
    let variables = [("DATABASE_URL", db.url.as_str()), ("GITHUB_WEBHOOK_SECRET", SECRET)];
    let (code, report) = services.doctor(&[], &variables);
    assert_eq!((code, &report["ok"], &report["problems"]), (0, &true.into(), &0.into()), "{report}");
    for check in
        ["database", "listen", "gateway-feed", "webhook-ingest", "webhook-secret", "ingest", "clocks"]
    {
        assert_eq!(finding(&report, check).0, "ok", "{check}: {report}");
    }
    let (verdict, message) = finding(&report, "database");
    assert!(message.contains("UTF8, schema V"), "{verdict} {message}");
    assert_eq!(finding(&report, "github"), ("warning", "no delivery from GitHub is stored"));
    assert_eq!(finding(&report, "agents").1, "0 agents alive, none late or lost");
    // The check has stored nothing.
    let events = run(&["tail", "--url", &services.gateway, "--no-follow", "--json"], &[]);
    assert_eq!(events.stdout, "", "{}", events.stderr);
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_closed_ingest_are_reported() {
    let db = database().await;
    let services = Services::start(&db.url, &[]).await;
    let (code, report) = services.doctor(&["--secret", "hunter2"], &[("DATABASE_URL", db.url.as_str())]);
    assert_eq!(code, 1, "{report}");
    let (verdict, message) = finding(&report, "webhook-secret");
    assert!(verdict == "problem" && message.contains("it has another secret"), "{message}");
    let (verdict, message) = finding(&report, "ingest");
    assert!(verdict == "warning" && message.starts_with("closed"), "{message}");
    assert!(!report.to_string().contains("hunter2"), "{report}");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_is_reported() {
    let db = database().await;
    let services = Services::start(&db.url, &["--ingest-anonymous"]).await;
    let flags = "--source agent.ping --kind ping --status info --module PLANNER --meta agent=planner";
    let mut ping = vec!["emit", "--url", &services.gateway, "--meta", "interval:=1"];
    ping.extend(flags.split(' '));
    assert_eq!(run(&ping, &[]).code, 0);
    // The agent announced a ping every second, so the agent is soon late.
    let deadline = Instant::now() + Duration::from_secs(60);
    while finding(&services.doctor(&["--secret", SECRET], &[]).1, "agents")
        != ("warning", "1 agent late or lost: planner")
    {
        assert!(Instant::now() < deadline);
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_tried() {
    let db = database().await;
    let flags = ["--ingest-tokens", "in", "--read-tokens", "out"];
    let services = Services::start(&db.url, &flags).await;
    let (code, report) = services.doctor(&["--ingest-token", "wrong", "--secret", SECRET], &[]);
    assert_eq!(code, 1, "{report}");
    assert_eq!(finding(&report, "ingest"), ("problem", "the gateway does not accept INGEST_TOKEN"));
    assert_eq!(finding(&report, "agents").0, "warning");
    assert_eq!(finding(&report, "database").0, "warning");
    assert_eq!(finding(&report, "webhook-secret").0, "ok");
    let right = ["--ingest-token", "in", "--token", "out", "--secret", SECRET];
    let (code, report) = services.doctor(&right, &[]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(finding(&report, "ingest"), ("ok", "needs a token, and accepts INGEST_TOKEN"));
    assert_eq!(finding(&report, "agents").0, "ok");
    // Without a database, the gateway says whether there was a delivery.
    assert_eq!(finding(&report, "github").1, "no delivery from GitHub is stored");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_the_schema_is_reported_with_the_remedy() {
    let db = testing::empty_database().await;
    let services = Services::start(&db.url, &["--ingest-anonymous"]).await;
    let (code, report) = services.doctor(&["--secret", SECRET], &[("DATABASE_URL", db.url.as_str())]);
    assert_eq!(code, 1, "{report}");
    for check in ["database", "gateway-feed", "webhook-ingest"] {
        let of_check = report["checks"].as_array().unwrap().iter().filter(|one| one["check"] == check);
        let messages: Vec<&str> = of_check.map(|one| one["message"].as_str().unwrap()).collect();
        assert!(messages.iter().any(|message| message.contains("oasis migrate")), "{check}: {messages:?}");
        assert_eq!(finding(&report, check).0, "problem");
    }
    services.stop().await;
}

#[test]
fn with_nothing_running_the_report_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let (url, data) = (format!("http://{NOBODY}"), folder.path().to_str().unwrap());
    let done = run(&["doctor", "--url", &url, "--data", data], &[]);
    assert_eq!(done.code, 1, "{}", done.stdout);
    let starts: Vec<&str> = done.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        starts,
        [
            "warning", "->", "problem", "->", "problem", "->", "ok", "warning", "->", "warning", "->",
            "warning", "->", "2"
        ],
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("-> start everything with `oasis up`"), "{}", done.stdout);
    let unreachable = [("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/d")];
    let done = run(&["doctor", "--url", &url, "--data", data], &unreachable);
    assert!(done.stdout.starts_with("problem  database        no connection"), "{}", done.stdout);
    assert!(!done.stdout.contains("hunter2"), "{}", done.stdout);
}

#[test]
fn the_exit_code_tells_of_a_problem_even_if_the_output_is_closed() {
    let url = format!("http://{NOBODY}");
    for flags in [&[][..], &["--json"]] {
        let (mut running, lines) =
            oasis(&[&["doctor", "--url", &url, "--data", "/nowhere"], flags].concat()).start();
        drop(lines);
        let (code, stderr) = running.finish();
        assert_eq!((code, stderr.as_str()), (1, ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_the_service_is_recognised() {
    let other = crate::fake::serve(|_, _| crate::fake::Answer::json("200 OK", r#"{"service":"another"}"#));
    let done = run(&["doctor", "--url", &other.url, "--webhook-url", &other.url, "--data", "/nowhere"], &[]);
    assert_eq!(done.code, 1);
    for name in ["gateway-feed", "webhook-ingest"] {
        assert!(done.stdout.contains(&format!("answers 200 OK, but not as {name}")), "{}", done.stdout);
    }
}
