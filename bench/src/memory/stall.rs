//! Measures the memory of a gateway while it handles many events. One client never reads, one client reads,
//! and thousands of clients are idle. The reading client must get each event once and in order.
//!
//! The idle clients follow a task that has none of these events. If the gateway sent the events to the idle
//! clients too, it would send about 150 GB.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::sleep;

use super::plan::{FIRST_EVENTS, Plan, QUIET};
use crate::crowd::Crowd;
use crate::http;
use crate::processes::{Meter, kib, reset_peak};
use crate::report::{Bar, Report, Row};
use crate::rows;
use crate::sse::{FEED, Feed, Stalled};
use crate::stack::Stack;

const BUSY: &str = "DEV-BUSY-0001";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("stall").await?;
    let client = database.connect().await?;
    let first = rows::append_many(&client, QUIET, FIRST_EVENTS).await?;
    let gateway = stack.gateway(&database).await?;
    let alone = kib(gateway.pid(), "VmRSS")?;

    let quiet = format!("{FEED}?vtid={QUIET}");
    let crowd = Crowd::connect(gateway.address, Crowd::subscriptions(&quiet, plan.clients, 0)).await?;
    let mut reader = Feed::open(gateway.address).await?;
    let stalled = Stalled::open(gateway.address).await?;
    sleep(plan.settle).await;
    let before = kib(gateway.pid(), "VmRSS")?;
    report.progress(format_args!("appending {} events", plan.events));

    reset_peak(gateway.pid())?;
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    let began = Instant::now();
    let inserting = tokio::spawn({
        let events = plan.events;
        async move { rows::append_many(&client, BUSY, events).await.map(|ids| (ids, began.elapsed())) }
    });
    let mut got = Vec::new();
    // A new client first receives the last 20 events.
    while got.len() < plan.events as usize + 20 {
        match reader.next(ARRIVES_WITHIN).await {
            Ok((id, _)) => got.push(id),
            // The comparison below counts the missing events.
            Err(error) => {
                report.note(format!("the reading client did not get all events: {error:#}"));
                break;
            }
        }
    }
    let took = began.elapsed();
    let cpu = meter.text();
    let (sent, inserted_in) = inserting.await??;
    // The memory for the stalled client may still grow after the last event.
    sleep(plan.settle.min(Duration::from_secs(5))).await;
    let highest = kib(gateway.pid(), "VmHWM")?;
    let after = kib(gateway.pid(), "VmRSS")?;
    let subscribers = subscribers(gateway.address).await?;

    let mut expected = first[first.len().saturating_sub(20)..].to_vec();
    expected.extend(&sent);
    let wrong =
        expected.len().abs_diff(got.len()) + expected.iter().zip(&got).filter(|(a, b)| a != b).count();
    let (clients, events) = (plan.clients, plan.events);
    report.row(Row::single(
        format!("memory per idle client that follows one task, {clients} clients"),
        "KiB",
        (before - alone) / clients as f64,
    ));
    report.row(Row::single(
        "memory of the gateway with the idle clients, one reading client and one stalled client",
        "MiB",
        before / 1_024.0,
    ));
    let what = format!("peak memory of the gateway while {events} events were sent");
    report.row(Row::single(what, "MiB", highest / 1_024.0).cpu(cpu));
    let growth = (highest - before) / 1_024.0;
    report.row(Row::single("memory growth of the gateway from before the events to the peak", "MiB", growth));
    report.row(Row::single("memory of the gateway after the events", "MiB", after / 1_024.0));
    let what = "number of events that the reading client missed, got twice or got out of order";
    report.row(Row::single(what, "", wrong as f64).bar(Bar::AtMost(0.0)));
    let rate = events as f64 / took.as_secs_f64();
    report.row(Row::single("events that the reading client received", "/s", rate));
    report.note(format!(
        "the {events} events were inserted in {:.1} s and read in {:.1} s",
        inserted_in.as_secs_f64(),
        took.as_secs_f64()
    ));
    report.note(format!("{} of {clients} idle clients were connected at the end", clients - crowd.closed()));
    report.note(format!(
        "the gateway counted {subscribers} subscribers at the end; this number includes the stalled client \
         unless the gateway closed its connection"
    ));
    drop((crowd, reader, stalled));
    report.notes(gateway.stop().await?);
    Ok(())
}

async fn subscribers(gateway: std::net::SocketAddr) -> anyhow::Result<f64> {
    let metrics = http::get(gateway, "/metrics").await?.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("feed_subscribers "));
    line.and_then(|value| value.parse().ok()).context("the gateway's metrics have no feed_subscribers")
}
