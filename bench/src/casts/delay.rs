//! Measures the delay from a signed delivery to the frame at the owner. Each delivery starts the run of
//! another cast of one user, who follows all of them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::{MissedTickBehavior, interval};

use super::plan::Plan;
use super::sides::{Side, Source};
use crate::delivery::Deliveries;
use crate::http::Connection;
use crate::peers::nats::Nats;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::stack::Stack;

/// The time between two deliveries.
const EVERY: Duration = Duration::from_millis(50);
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// A database for each round, because each round has the same runs.
const DATABASES: [&str; 3] = ["casts_delay_1", "casts_delay_2", "casts_delay_3"];

/// The delays of one side, in milliseconds.
#[derive(Default)]
struct Delays {
    answered: Vec<f64>,
    arrived: Vec<f64>,
    /// The median of each round.
    medians: Vec<f64>,
    cpu: String,
}

pub(super) async fn run(
    stack: &Stack,
    nats: Result<&Nats, &String>,
    plan: &Plan,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut ours, mut theirs, mut without) = (Delays::default(), Delays::default(), Delays::default());
    for (round, name) in (1..=plan.rounds).zip(DATABASES) {
        let database = stack.database(name).await?;
        // The table gets a history, because every query plan is fast on an empty table.
        rows::append_many(&database.connect().await?, "DEV-HISTORY-0001", plan.history).await?;
        measure(stack, Source::Ours(&database), plan, &mut ours, report).await?;
        let started = "SELECT count(*) FROM oasis_events WHERE kind = 'cast.started'";
        let started: i64 = database.connect().await?.query_one(started, &[]).await?.get(0);
        ensure!(started == plan.deliveries() as i64, "{started} casts have started");
        report.progress(format_args!("delay: round {round} of {}: ours is measured", plan.rounds));
        if let Ok(nats) = nats {
            measure(stack, Source::Theirs(nats, Some(&database)), plan, &mut theirs, report).await?;
            measure(stack, Source::Theirs(nats, None), plan, &mut without, report).await?;
            report.progress(format_args!("delay: round {round} of {}: the peers too", plan.rounds));
        }
    }
    let arrived = Samples::new(ours.arrived);
    let p99 = arrived.quantile(0.99);
    let what = "delay from a delivery to the frame at the owner";
    report.row(Row::of(format!("{what}, median"), "ms", &arrived).bar(Bar::AtMost(8.0)).cpu(ours.cpu));
    report.row(Row::single(format!("{what}, p99"), "ms", p99).bar(Bar::AtMost(25.0)));
    let answered = Samples::new(ours.answered);
    report.row(Row::of("delay from a delivery to its answer, which follows the commit", "ms", &answered));
    if nats.is_ok() {
        let ratio = |name, delays: &Delays| {
            Row::ratio(&format!("ratio to {name}: median {what}"), &ours.medians, &delays.medians)
        };
        let ratios = [ratio(Nats::NAME, &theirs).bar(Bar::AtMost(2.0)), ratio(Nats::WITHOUT, &without)];
        let peers = [(Nats::NAME, theirs), (Nats::WITHOUT, without)];
        for ((name, delays), ratio) in peers.into_iter().zip(ratios) {
            let arrived = Samples::new(delays.arrived);
            report.row(Row::of(format!("{name}: {what}, median"), "ms", &arrived).cpu(delays.cpu));
            report.row(Row::single(format!("{name}: {what}, p99"), "ms", arrived.quantile(0.99)));
            report.row(ratio);
        }
    }
    report.note(format!(
        "delay: {} deliveries in each of {} rounds, 20 a second, after {} deliveries to warm up; each starts \
         the run of another cast of one user, who follows all casts in one stream; the table had {} events \
         at the start",
        plan.samples, plan.rounds, plan.warm_up, plan.history
    ));
    report.note(format!(
        "{}: one UPDATE finds the run's cast and stores its status, in autocommit, before the status is \
         published; {}: nothing is stored; all three take turns",
        Nats::NAME,
        Nats::WITHOUT
    ));
    Ok(())
}

async fn measure(
    stack: &Stack,
    source: Source<'_>,
    plan: &Plan,
    delays: &mut Delays,
    report: &mut Report,
) -> anyhow::Result<()> {
    let side = Side::start(stack, source, plan.deliveries()).await?;
    let mut feed = side.follow(plan.deliveries()).await?;
    let mut deliveries = Deliveries::of_starts()?;
    let mut connection = Connection::open(side.webhooks.address).await?;
    let mut request = deliveries.request(side.webhooks.address);
    let signed = deliveries.sign(plan.deliveries());
    let mut arrived = Vec::new();
    let meter = Meter::start(&side.watched());
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (number, delivery) in signed.iter().enumerate() {
        let bytes = request.of(delivery);
        pace.tick().await;
        let sent = Instant::now();
        let answer = connection.exchange(bytes).await?;
        let answer_took = sent.elapsed();
        ensure!(answer.status == 200, "the webhook was answered {}: {}", answer.status, answer.body);
        let (_, at) = feed.next(ARRIVES_WITHIN).await?;
        if number >= plan.warm_up {
            delays.answered.push(milliseconds(answer_took));
            arrived.push(milliseconds(at.duration_since(sent)));
        }
    }
    delays.cpu = meter.text();
    delays.medians.push(Samples::new(arrived.clone()).quantile(0.5));
    delays.arrived.extend(arrived);
    report.notes(side.stop().await?);
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
