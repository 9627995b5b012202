//! Measures each binary before it does any work: the time from its start until `/ready` first answers 200,
//! its size on disk, and its idle memory.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::sleep;

use crate::delivery::SECRET;
use crate::processes::kib;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::{Service, sibling_binary};
use crate::stack::{GATEWAY, Stack, WEBHOOKS};

/// The time between two requests for `/ready`.
const POLL: Duration = Duration::from_millis(1);
const MAX_READY_MS: f64 = 100.0;
const MAX_SIZE_MB: f64 = 15.0;
const MAX_RSS_MB: f64 = 20.0;
const HISTORY: i64 = 100_000;
const DEPLOYS: &str = "deploy-watcher";

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (starts, history) = if quick { (2, 1_000) } else { (11, HISTORY) };
    let mut report = Report::new("footprint");
    let database = stack.database("footprint").await?;
    rows::append_many(&database.connect().await?, "DEV-HISTORY-0001", history).await?;
    let settings = [
        ("DATABASE_URL", database.url.as_str()),
        ("GITHUB_WEBHOOK_SECRET", SECRET),
        ("INGEST_TOKENS", "t"),
        ("GCP_PROJECT", "nobodys"),
    ];
    for name in [GATEWAY, WEBHOOKS, DEPLOYS] {
        let (mut ready, mut rss) = (Vec::new(), Vec::new());
        for _ in 0..starts {
            let program = Command::new(sibling_binary(name)?);
            let began = Instant::now();
            let service = Service::launch(name, program, &settings, stack.dir(), POLL).await?;
            ready.push(began.elapsed().as_secs_f64() * 1_000.0);
            // During this pause, the service frees the memory that only its start needs.
            sleep(Duration::from_secs(1)).await;
            rss.push(kib(service.pid(), "VmRSS")? * 1_024.0 / 1e6);
            report.notes(service.stop().await?);
        }
        report.row(
            Row::of(format!("{name}: time from start to ready"), "ms", &Samples::new(ready))
                .bar(Bar::AtMost(MAX_READY_MS)),
        );
        report.row(
            Row::of(format!("{name}: idle memory (RSS)"), "MB", &Samples::new(rss))
                .bar(Bar::AtMost(MAX_RSS_MB)),
        );
    }
    for name in [GATEWAY, WEBHOOKS, DEPLOYS, "oasis"] {
        let program = sibling_binary(name)?;
        let size = program.metadata().with_context(|| format!("reading {}", program.display()))?.len();
        report.row(
            Row::single(format!("{name}: size of the stripped binary"), "MB", size as f64 / 1e6)
                .bar(Bar::AtMost(MAX_SIZE_MB)),
        );
    }
    report.note(format!("each service was started {starts} times; the table had {history} events"));
    report.note(format!(
        "the time from start to ready is measured from just before the process is created until /ready first \
         answers 200; /ready is requested every {} ms",
        POLL.as_millis()
    ));
    report.note("idle memory is read one second after the service is ready");
    Ok(report)
}
