//! What clients cost a gateway in memory: thousands that are idle, then (in [`stall`](crate::stall)) one that never
//! reads.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::sleep;

use crate::crowd::Crowd;
use crate::peers::nchan::{self, Nchan};
use crate::processes::{Meter, kib};
use crate::progress;
use crate::report::{Bar, Report, Row};
use crate::rows;
use crate::sse::FEED;
use crate::stack::Stack;
use crate::stall;

/// A task that has the first events, so that each client is shown its last 20.
pub(crate) const QUIET: &str = "DEV-QUIET-0001";
pub(crate) const FIRST_EVENTS: i64 = 100;

/// How large, and how long to let things settle.
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) events: i64,
    /// Longer than the heartbeat's 15 s, so that every client has been written to again.
    pub(crate) settle: Duration,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = match quick {
        true => Plan { clients: 500, events: 10_000, settle: Duration::from_secs(1) },
        false => Plan { clients: 5_000, events: 100_000, settle: Duration::from_secs(17) },
    };
    let mut report = Report::new("memory");
    idle_clients(stack, "memory", plan.clients, plan.settle, &mut report).await?;
    idle_clients(stack, "memory_more", 3 * plan.clients, plan.settle, &mut report).await?;
    stall::run(stack, &plan, &mut report).await?;
    Ok(report)
}

/// Clients that are idle, on a gateway of their own, beside as many on an Nchan of their own.
async fn idle_clients(
    stack: &Stack,
    name: &'static str,
    clients: usize,
    settle: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let database = stack.database(name).await?;
    rows::append_many(&database.connect().await?, QUIET, FIRST_EVENTS).await?;
    let gateway = stack.gateway(&database).await?;
    sleep(settle.min(Duration::from_secs(3))).await;

    let before = kib(gateway.pid(), "VmRSS")?;
    let meter = Meter::start(&[gateway.watched()]);
    let crowd = Crowd::connect(gateway.address, Crowd::asks(FEED, clients, 0)).await?;
    progress(report, format_args!("{clients} clients are connected"));
    let connecting = meter.seconds(gateway.pid());
    sleep(settle).await;
    let after = kib(gateway.pid(), "VmRSS")?;
    ensure!(crowd.closed() == 0, "{} of {clients} clients were closed", crowd.closed());

    report.row(Row::single("gateway without clients", "MiB", before / 1_024.0));
    report.row(Row::single(format!("gateway with {clients} idle clients"), "MiB", after / 1_024.0));
    report.row(
        Row::single(format!("each idle client, of {clients}"), "KiB", (after - before) / clients as f64)
            .bar(Bar::AtMost(10.0)),
    );
    report.row(Row::single("highest while they connected", "MiB", kib(gateway.pid(), "VmHWM")? / 1_024.0));
    report.note(format!(
        "all {clients} clients were connected after {} s; connecting them took {connecting:.2} s of the gateway's \
         processor time",
        settle.as_secs()
    ));
    drop(crowd);
    report.notes(gateway.stop().await?);

    let nchan = match Nchan::start(stack.dir()).await? {
        Ok(nchan) => nchan,
        Err(why) => {
            report.missing(nchan::NAME, why);
            return Ok(());
        }
    };
    let before = nchan.worker_kib()?;
    let crowd = Crowd::connect(nchan.address, Crowd::asks(nchan::PATH, clients, 0)).await?;
    sleep(settle).await;
    ensure!(crowd.closed() == 0, "Nchan closed {} of {clients} clients", crowd.closed());
    let each = (nchan.worker_kib()? - before) / clients as f64;
    report.row(Row::single(format!("Nchan: each idle client, of {clients}"), "KiB", each));
    drop(crowd);
    report.notes(nchan.said());
    Ok(())
}
