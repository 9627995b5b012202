//! Measures the delay from sending the first byte of a signed delivery to the arrival of its frame at a
//! client of the feed. The stack has no other load.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::delivery::Deliveries;
use crate::http::Connection;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::Stack;

/// The time between two deliveries. At this pace, 20 deliveries a second are sent.
const EVERY: Duration = Duration::from_millis(50);
/// The number of events in the table before the first delivery.
pub(crate) const HISTORY: i64 = 100_000;
/// The number of events that a new client gets first.
const RECENT: usize = 20;
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Stored {
    id: i64,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (warm_up, samples) = if quick { (10, 40) } else { (60, 400) };
    let mut report = Report::new("latency");
    let database = stack.database("latency").await?;
    // The table gets a history, because every query plan is fast on an empty table.
    rows::append_many(&database.connect().await?, "DEV-HISTORY-0001", HISTORY).await?;
    let gateway = stack.gateway(&database).await?;
    let webhooks = stack.webhooks(&database).await?;
    let Latencies { arrived, answered, cpu } =
        measure(&mut Deliveries::new()?, &gateway, &webhooks, &[stack.watched()], warm_up, samples).await?;
    let p99 = arrived.quantile(0.99);
    report
        .row(Row::of("delay from delivery to frame, median", "ms", &arrived).bar(Bar::AtMost(4.0)).cpu(cpu));
    report.row(Row::single("delay from delivery to frame, p99", "ms", p99).bar(Bar::AtMost(15.0)));
    report.row(Row::of("delay from delivery to its answer, which follows the commit", "ms", &answered));
    report.note(format!(
        "{samples} deliveries of {} bytes, 20 a second, after {warm_up} deliveries to warm up",
        Deliveries::body_length()
    ));
    report.note(format!("one client followed the feed; the table had {HISTORY} events at the start"));
    report.notes(webhooks.stop().await?);
    report.notes(gateway.stop().await?);
    Ok(report)
}

/// The delays of the deliveries, in milliseconds.
pub(crate) struct Latencies {
    /// The delays from sending the first byte of a delivery to the arrival of its frame.
    pub(crate) arrived: Samples,
    /// The delays from sending the first byte of a delivery to the answer.
    pub(crate) answered: Samples,
    /// A text that says how many processors the services and the processes in `others` used.
    pub(crate) cpu: String,
}

/// Sends deliveries one by one, and waits for the frame of each delivery. Frames of other events may come in
/// between.
pub(crate) async fn measure(
    deliveries: &mut Deliveries,
    gateway: &Service,
    webhooks: &Service,
    others: &[(&'static str, u32)],
    warm_up: usize,
    samples: usize,
) -> anyhow::Result<Latencies> {
    let mut feed = Feed::open(gateway.address).await?;
    for _ in 0..RECENT {
        feed.next(ARRIVES_WITHIN).await?;
    }
    let mut connection = Connection::open(webhooks.address).await?;
    let mut request = deliveries.request(webhooks.address);
    let signed = deliveries.sign(warm_up + samples);

    let (mut answered, mut arrived) = (Vec::new(), Vec::new());
    let watched = [&[gateway.watched(), webhooks.watched()], others].concat();
    let meter = Meter::start(&watched);
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (number, delivery) in signed.iter().enumerate() {
        let bytes = request.of(delivery);
        pace.tick().await;
        let sent = Instant::now();
        let answer = connection.exchange(bytes).await?;
        let answer_took = sent.elapsed();
        ensure!(answer.status == 200, "webhook-ingest answered {}: {}", answer.status, answer.body);
        let stored: Stored = serde_json::from_str(&answer.body).context(answer.body)?;
        let at = loop {
            let (id, at) = feed.next(ARRIVES_WITHIN).await?;
            ensure!(id <= stored.id, "the feed showed event {id} before event {}", stored.id);
            if id == stored.id {
                break at;
            }
        };
        if number >= warm_up {
            answered.push(milliseconds(answer_took));
            arrived.push(milliseconds(at.duration_since(sent)));
        }
    }
    Ok(Latencies { arrived: Samples::new(arrived), answered: Samples::new(answered), cpu: meter.text() })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
