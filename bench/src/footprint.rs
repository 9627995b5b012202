//! What each binary takes before it has done anything: time from its start to the first 200 of `/ready`, size
//! on disk, memory.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::sleep;

use crate::delivery::SECRET;
use crate::processes::kib;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::{Service, beside_us};
use crate::stack::{GATEWAY, Stack, WEBHOOKS};

/// Between two questions whether it is ready.
const LOOK: Duration = Duration::from_millis(1);
const MOST_READY_MS: f64 = 100.0;
const MOST_SIZE_MB: f64 = 15.0;
const MOST_RSS_MB: f64 = 20.0;
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
            let program = Command::new(beside_us(name)?);
            let began = Instant::now();
            let service = Service::launch(name, program, &settings, stack.dir(), LOOK).await?;
            ready.push(began.elapsed().as_secs_f64() * 1_000.0);
            // What starting up took is given back or not by then.
            sleep(Duration::from_secs(1)).await;
            rss.push(kib(service.pid(), "VmRSS")? * 1_024.0 / 1e6);
            report.notes(service.stop().await?);
        }
        report.row(
            Row::of(format!("{name}: start to ready"), "ms", &Samples::new(ready))
                .bar(Bar::AtMost(MOST_READY_MS)),
        );
        report.row(
            Row::of(format!("{name}: idle memory (RSS)"), "MB", &Samples::new(rss))
                .bar(Bar::AtMost(MOST_RSS_MB)),
        );
    }
    for name in [GATEWAY, WEBHOOKS, DEPLOYS, "oasis"] {
        let program = beside_us(name)?;
        let size = program.metadata().with_context(|| format!("the size of {}", program.display()))?.len();
        report.row(
            Row::single(format!("{name}: size, stripped"), "MB", size as f64 / 1e6)
                .bar(Bar::AtMost(MOST_SIZE_MB)),
        );
    }
    report.note(format!(
        "{starts} starts of each, over {history} events; from before the process is made to the first 200 of \
         /ready, asked every {} ms; memory a second later",
        LOOK.as_millis()
    ));
    Ok(report)
}
