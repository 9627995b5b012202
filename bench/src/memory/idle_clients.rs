//! Clients that are idle, on a gateway of their own, beside as many on an Nchan of their own.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::sleep;

use super::plan::{FIRST_EVENTS, QUIET};
use crate::crowd::Crowd;
use crate::peers::nchan::{self, Nchan};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row};
use crate::rows;
use crate::sse::FEED;
use crate::stack::Stack;

/// Measures `clients` of each, after they had `settle` to settle.
pub(super) async fn run(
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
    report.progress(format_args!("{clients} clients are connected"));
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
        "all {clients} clients were connected after {} s; connecting them took {connecting:.2} s of the \
         gateway's processor time",
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
