//! What clients cost a gateway in memory: thousands that are idle, then (in [`stall`](crate::stall)) one that never
//! reads.

use std::time::Duration;

use tokio::time::sleep;

use crate::processes::{Meter, kib};
use crate::progress;
use crate::report::{Report, Row};
use crate::rows;
use crate::sse::Crowd;
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
    idle_clients(stack, &plan, &mut report).await?;
    stall::run(stack, &plan, &mut report).await?;
    Ok(report)
}

async fn idle_clients(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("memory").await?;
    rows::append_many(&database.connect().await?, QUIET, FIRST_EVENTS).await?;
    let gateway = stack.gateway(&database).await?;
    sleep(plan.settle.min(Duration::from_secs(3))).await;

    let before = kib(gateway.pid(), "VmRSS")?;
    let meter = Meter::start(&[gateway.watched()]);
    let crowd = Crowd::connect(gateway.address, "", plan.clients).await?;
    progress(report, format_args!("{} clients are connected", crowd.connected()));
    let connecting = meter.seconds(gateway.pid());
    sleep(plan.settle).await;
    let after = kib(gateway.pid(), "VmRSS")?;
    let connected = crowd.connected();

    let clients = plan.clients;
    report.row(Row::single("gateway without clients", "MiB", before / 1_024.0));
    report.row(Row::single(format!("gateway with {clients} idle clients"), "MiB", after / 1_024.0));
    report.row(Row::single("each idle client", "KiB", (after - before) / clients as f64));
    report.row(Row::single("highest while they connected", "MiB", kib(gateway.pid(), "VmHWM")? / 1_024.0));
    report.note(format!(
        "{connected} of {clients} clients were still connected after {} s; connecting them took {connecting:.2} s of \
         the gateway's processor time",
        plan.settle.as_secs()
    ));
    drop(crowd);
    report.notes(gateway.stop().await?);
    Ok(())
}
