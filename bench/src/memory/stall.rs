//! One client that never reads, on a gateway with thousands of idle ones, while very many events pass; and
//! whether a client that does read gets each of them once and in order.
//!
//! The idle clients follow another task than the one that everything happens to: written out to all of them,
//! these events would be some 150 GB.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::sleep;

use super::plan::{FIRST_EVENTS, Plan, QUIET};
use crate::crowd::Crowd;
use crate::http;
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row};
use crate::rows;
use crate::sse::{FEED, Feed, Stalled};
use crate::stack::Stack;

const BUSY: &str = "DEV-BUSY-0001";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(10);

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("stall").await?;
    let client = database.connect().await?;
    let first = rows::append_many(&client, QUIET, FIRST_EVENTS).await?;
    let gateway = stack.gateway(&database).await?;
    let alone = kib(gateway.pid(), "VmRSS")?;

    let quiet = format!("{FEED}?vtid={QUIET}");
    let crowd = Crowd::connect(gateway.address, Crowd::asks(&quiet, plan.clients, 0)).await?;
    let mut reader = Feed::open(gateway.address).await?;
    let stalled = Stalled::open(gateway.address).await?;
    sleep(plan.settle).await;
    let before = kib(gateway.pid(), "VmRSS")?;
    report.progress(format_args!("{} events pass", plan.events));

    let peak = Peak::watch(gateway.pid());
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    let began = Instant::now();
    let inserting = tokio::spawn({
        let events = plan.events;
        async move { rows::append_many(&client, BUSY, events).await.map(|ids| (ids, began.elapsed())) }
    });
    let mut got = Vec::new();
    // What a client begins with comes on top.
    while got.len() < plan.events as usize + 20 {
        match reader.next(ARRIVES_WITHIN).await {
            Ok((id, _)) => got.push(id),
            // What is missing is for the comparison below to say.
            Err(error) => {
                report.note(format!("the reading client waited in vain: {error:#}"));
                break;
            }
        }
    }
    let took = began.elapsed();
    let cpu = meter.text();
    let (sent, inserted_in) = inserting.await??;
    // The stalled client's connection may hold more only after the last event.
    sleep(plan.settle.min(Duration::from_secs(5))).await;
    let highest = peak.end()?;
    let after = kib(gateway.pid(), "VmRSS")?;
    let subscribers = subscribers(gateway.address).await?;

    let mut expected = first[first.len().saturating_sub(20)..].to_vec();
    expected.extend(&sent);
    let wrong =
        expected.len().abs_diff(got.len()) + expected.iter().zip(&got).filter(|(a, b)| a != b).count();
    let (clients, events) = (plan.clients, plan.events);
    report.row(Row::single(
        format!("each idle client that follows one task, of {clients}"),
        "KiB",
        (before - alone) / clients as f64,
    ));
    report.row(Row::single(
        "gateway with those, one reading and one stalled client",
        "MiB",
        before / 1_024.0,
    ));
    report
        .row(Row::single(format!("highest while {events} events passed"), "MiB", highest / 1_024.0).cpu(cpu));
    report.row(Row::single("growth at the highest", "MiB", (highest - before) / 1_024.0));
    report.row(Row::single("after they had passed", "MiB", after / 1_024.0));
    report.row(
        Row::single("events missed, doubled or out of order at the reading client", "", wrong as f64)
            .bar(Bar::AtMost(0.0)),
    );
    report.row(Row::single(
        "events to the reading client meanwhile",
        "/s",
        events as f64 / took.as_secs_f64(),
    ));
    report.note(format!(
        "the {events} events were inserted in {:.1} s and read in {:.1} s; at the end {} of {clients} idle \
         clients were connected, and the gateway counted {subscribers} subscribers, the stalled one included \
         if it still held on",
        inserted_in.as_secs_f64(),
        took.as_secs_f64(),
        clients - crowd.closed(),
    ));
    drop((crowd, reader, stalled));
    report.notes(gateway.stop().await?);
    Ok(())
}

async fn subscribers(gateway: std::net::SocketAddr) -> anyhow::Result<f64> {
    let metrics = http::get(gateway, "/metrics").await?.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("feed_subscribers "));
    line.and_then(|value| value.parse().ok()).context("the gateway does not count its subscribers")
}

/// Looks at the memory of a process until told to end, on a thread of its own: this program's one is busy
/// reading.
struct Peak {
    pid: u32,
    end: Arc<AtomicBool>,
    highest: Arc<AtomicU64>,
    looker: JoinHandle<()>,
}

impl Peak {
    fn watch(pid: u32) -> Self {
        let (end, highest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let looker = thread::spawn({
            let (end, highest) = (end.clone(), highest.clone());
            move || {
                while !end.load(Ordering::Relaxed) {
                    let Ok(now) = kib(pid, "VmRSS") else { return };
                    highest.fetch_max(now as u64, Ordering::Relaxed);
                    thread::sleep(LOOK);
                }
            }
        });
        Self { pid, end, highest, looker }
    }

    /// The highest in KiB.
    fn end(self) -> anyhow::Result<f64> {
        self.end.store(true, Ordering::Relaxed);
        // It has nothing to panic about.
        let _ = self.looker.join();
        let seen = self.highest.load(Ordering::Relaxed) as f64;
        // The kernel's own mark also has what lay between two looks, but also what was before the watch
        // began.
        let ever = kib(self.pid, "VmHWM")?;
        Ok(seen.max(ever))
    }
}
