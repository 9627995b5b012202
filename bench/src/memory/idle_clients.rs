//! Measures how much memory idle clients need, first on a new gateway, then on a new Nchan.

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

/// Measures each server with `clients` clients. The memory is read after the clients have been connected for
/// the time `settle`.
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
    let crowd = Crowd::connect(gateway.address, Crowd::subscriptions(FEED, clients, 0)).await?;
    report.progress(format_args!("{clients} clients are connected"));
    let connecting = meter.seconds(gateway.pid());
    sleep(settle).await;
    let after = kib(gateway.pid(), "VmRSS")?;
    ensure!(crowd.closed() == 0, "the gateway closed {} of {clients} clients", crowd.closed());

    let what = format!("memory of the gateway with {clients} idle clients");
    report.row(Row::single("memory of the gateway without clients", "MiB", before / 1_024.0));
    report.row(Row::single(what, "MiB", after / 1_024.0));
    let each = (after - before) / clients as f64;
    let row = Row::single(format!("memory per idle client, {clients} clients"), "KiB", each);
    report.row(row.bar(Bar::AtMost(10.0)));
    let peak = kib(gateway.pid(), "VmHWM")?;
    report.row(Row::single("peak memory of the gateway while clients connected", "MiB", peak / 1_024.0));
    report.note(format!("all {clients} clients were still connected after {} s", settle.as_secs()));
    report.note(format!(
        "the gateway used {connecting:.2} s of processor time while {clients} clients connected"
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
    let crowd = Crowd::connect(nchan.address, Crowd::subscriptions(nchan::PATH, clients, 0)).await?;
    sleep(settle).await;
    ensure!(crowd.closed() == 0, "Nchan closed {} of {clients} clients", crowd.closed());
    let each = (nchan.worker_kib()? - before) / clients as f64;
    report.row(Row::single(format!("Nchan: memory per idle client, {clients} clients"), "KiB", each));
    drop(crowd);
    report.notes(nchan.log_lines());
    Ok(())
}
