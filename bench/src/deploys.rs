//! Measures how much time and memory deploy-watcher needs to poll five thousand log entries. A fake Cloud
//! Logging serves the entries over real gRPC.

use std::time::Instant;

use anyhow::{Context, ensure};
use deploy_watcher::fake::{FakeLogging, entry};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::http::Connection;
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::service::Service;
use crate::stack::Stack;

/// The names of the databases. Each round uses a different database.
const DATABASES: [&str; 5] = ["deploys_1", "deploys_2", "deploys_3", "deploys_4", "deploys_5"];
const DEPLOYS: &str = "deploy-watcher";
const PROJECT: &str = "bench";
/// The length in bytes of an environment variable in each entry. deploy-watcher does not read this variable.
/// The variable makes each entry as long as a real entry. A real entry has more environment variables,
/// conditions and annotations.
const PADDING: usize = 6_000;
const MAX_SECONDS: f64 = 5.0;
const MAX_RSS_MB: f64 = 64.0;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (rounds, entries) = if quick { (1, 400) } else { (DATABASES.len(), 5_000) };
    let mut report = Report::new("deploys");
    let fake = FakeLogging::start().await.context("starting the fake Cloud Logging")?;
    fake.with(|log| log.entries.extend((0..entries).filter_map(|nth| entry(&ready(nth)))));
    let (mut first, mut again, mut peak, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), String::new());
    for name in &DATABASES[..rounds] {
        let database = stack.database(name).await?;
        let settings = [
            ("DATABASE_URL", database.url.as_str()),
            ("GCP_PROJECT", PROJECT),
            ("LOGGING_ENDPOINT", &fake.endpoint()),
            ("LOGGING_ANONYMOUS", "true"),
        ];
        let service = Service::start(DEPLOYS, &settings, stack.dir()).await?;
        let meter = Meter::start(&[service.watched(), stack.watched()]);
        first.push(poll(&service, entries).await?);
        cpu = meter.text();
        again.push(poll(&service, 0).await? * 1_000.0);
        peak.push(kib(service.pid(), "VmHWM")? * 1_024.0 / 1e6);
        report.notes(service.stop().await?);
    }
    report.row(
        Row::of(format!("duration of a poll that reads {entries} entries"), "s", &Samples::new(first))
            .bar(Bar::AtMost(MAX_SECONDS))
            .cpu(cpu),
    );
    report.row(Row::of("peak memory (RSS)", "MB", &Samples::new(peak)).bar(Bar::AtMost(MAX_RSS_MB)));
    report.row(Row::of("duration of the next poll, which finds no new entries", "ms", &Samples::new(again)));
    report.note(format!(
        "{rounds} rounds; each round starts with an empty table, and each entry becomes one event"
    ));
    report.note(format!("an entry is {} bytes long as JSON", ready(0).to_string().len()));
    report.note("the bench's own process serves the entries over gRPC");
    Ok(report)
}

/// Makes the log entry of a revision that became ready. Entry 0 is 3 hours old. Each entry is one second
/// newer than the previous entry.
fn ready(nth: usize) -> Value {
    let at = Timestamp::now() - SignedDuration::from_hours(3) + SignedDuration::from_secs(nth as i64);
    let (service, revision) = (format!("service-{}", nth % 50), format!("service-{}-{nth:05}-abc", nth % 50));
    json!({
        "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2Fsystem_event"),
        "timestamp": at.to_string(),
        "insertId": format!("entry-{nth}"),
        "resource": { "type": "cloud_run_revision", "labels": {
            "project_id": PROJECT, "location": "europe-west1", "service_name": service,
            "revision_name": revision,
        } },
        "protoPayload": {
            "serviceName": "run.googleapis.com",
            "methodName": "/Services.ReplaceService",
            "resourceName": format!("namespaces/{PROJECT}/revisions/{revision}"),
            "status": {
                "message": format!("Ready condition status changed to True for Revision {revision}."),
            },
            "response": {
                "kind": "Revision",
                "metadata": {
                    "name": revision, "namespace": PROJECT,
                    "labels": { "vtid": "dev-bench-0001", "vt_module": service },
                    "annotations": { "run.googleapis.com/operation-id": format!("operation-{nth}") },
                },
                "spec": { "containers": [{
                    "image": "europe-docker.pkg.dev/bench/app:1",
                    "env": [{ "name": "PADDING", "value": "x".repeat(PADDING) }],
                }] },
                "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
            },
        },
    })
}

/// Makes deploy-watcher poll once, checks that it reads and publishes `expected` entries, and returns the
/// duration of the poll in seconds.
async fn poll(service: &Service, expected: usize) -> anyhow::Result<f64> {
    let mut connection = Connection::open(service.address).await?;
    let request = format!("POST /poll HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", service.address);
    let began = Instant::now();
    let answer = connection.exchange(request.as_bytes()).await?;
    let took = began.elapsed().as_secs_f64();
    let read: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let done = (&read["seen"], &read["published"], &read["more"]);
    ensure!(
        answer.status == 200 && done == (&json!(expected), &json!(expected), &json!(false)),
        "the poll should have read and published {expected} entries, but the answer was {}: {}",
        answer.status,
        answer.body
    );
    Ok(took)
}
