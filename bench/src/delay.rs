//! From the commit of an event to its frame at a hundred clients, beside Nchan, in turns.
//!
//! When a commit is done is known to PostgreSQL alone. What is known here is when the INSERT was sent and
//! when its answer came, and the answer may come after the frames: both are set off by the commit, and two
//! processors do all of it. So the commit is taken to be earlier than its answer could tell: an INSERT's
//! time, measured while nobody follows the table, less the whole round trip of an empty statement, after the
//! INSERT was sent.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_postgres::Client;

use crate::crowd::{Ask, Crowd, Got, Keep};
use crate::events::{Event, Inserts};
use crate::fanout::complete;
use crate::peers::nchan::{self, Nchan};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::sides::{Given, Pace, Side};
use crate::stack::Stack;

/// 50 a second.
const EVERY: Duration = Duration::from_millis(20);
/// Events of a round that are not counted.
const WARM_UP: usize = 25;
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// What one side did.
#[derive(Default)]
struct Delays {
    /// The median of each round, from the moment before it was sent.
    medians: Vec<f64>,
    /// All of them.
    from_sent: Vec<f64>,
    from_answer: Vec<f64>,
    cpu: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (clients, rounds, events) = if quick { (20, 1, 50) } else { (100, 3, 275) };
    let mut report = Report::new("delay");
    let database = stack.database("delay").await?;
    let inserts = database.connect().await?;
    // Before there is a gateway that listens.
    let (insert, empty) = alone(&inserts, events).await?;
    let commit_after = insert.quantile(0.5) - empty.quantile(0.5);

    let mut sides = vec![Side::gateway(stack, &database).await?];
    match Nchan::start(stack.dir()).await? {
        Ok(nchan) => sides.push(Side::Nchan(nchan)),
        Err(why) => report.missing(nchan::NAME, why),
    }
    let mut delays: Vec<Delays> = sides.iter().map(|_| Delays::default()).collect();
    for nth in 1..=rounds {
        for (side, delays) in sides.iter_mut().zip(&mut delays) {
            let events: Vec<Event> = (0..events as u64).map(Event::new).collect();
            round(side, clients, &events, delays)
                .await
                .with_context(|| format!("{}, round {nth}", side.name()))?;
            report.progress(format_args!(
                "{}: {:.2} ms",
                side.name(),
                delays.medians.last().unwrap_or(&f64::NAN)
            ));
        }
    }

    let ours = &delays[0];
    let since_commit = |median: &f64| median - commit_after;
    let from_commit = Samples::new(ours.medians.iter().map(since_commit).collect());
    let from_sent = Samples::new(ours.from_sent.clone());
    report.row(Row::of("commit to frame, median", "ms", &from_commit).cpu(ours.cpu.clone()));
    report.row(Row::of("INSERT sent to frame, its commit included, median", "ms", &from_sent));
    report.row(
        Row::single("INSERT sent to frame, its commit included, p99", "ms", from_sent.quantile(0.99))
            .bar(Bar::AtMost(10.0)),
    );
    report.row(Row::of(
        "the INSERT's answer to frame, median",
        "ms",
        &Samples::new(ours.from_answer.clone()),
    ));
    report.row(Row::of("an INSERT while nobody listens", "ms", &insert));
    report.row(Row::of("an empty statement", "ms", &empty));
    if let Some(nchan) = delays.get(1) {
        let publish = Samples::new(nchan.from_sent.clone());
        report.row(
            Row::of("Nchan: POST sent to frame, median", "ms", &Samples::new(nchan.medians.clone()))
                .cpu(nchan.cpu.clone()),
        );
        report.row(Row::single("Nchan: POST sent to frame, p99", "ms", publish.quantile(0.99)));
        let answer = Samples::new(nchan.from_answer.clone());
        report.row(Row::of("Nchan: the POST's answer to frame, median", "ms", &answer));
        let pairs = || ours.medians.iter().zip(&nchan.medians);
        let ratios = pairs().map(|(ours, nchan)| since_commit(ours) / nchan).collect();
        report.row(
            Row::of("commit to frame for Nchan's POST sent to frame", "×", &Samples::new(ratios))
                .bar(Bar::AtMost(1.5)),
        );
        let ratios = pairs().map(|(ours, nchan)| ours / nchan).collect();
        report.row(Row::of("INSERT sent to frame for Nchan's", "×", &Samples::new(ratios)));
    }
    report.note(format!(
        "{rounds} rounds in turns of {events} events, 50 a second, to {clients} clients, the first {WARM_UP} \
         not counted; every client got each event once and in order"
    ));
    report.note(format!(
        "commit to frame is from {commit_after:.2} ms after the INSERT was sent: what an INSERT takes while \
         nobody \
         listens, less the whole round trip of an empty statement"
    ));
    for side in sides {
        report.notes(side.stop().await?);
    }
    Ok(report)
}

/// What an INSERT and an empty statement take in milliseconds, at the same pace, while nobody follows the
/// table.
async fn alone(client: &Client, count: usize) -> anyhow::Result<(Samples, Samples)> {
    let inserts = Inserts::prepare(client).await?;
    let (mut insert, mut empty) = (Vec::new(), Vec::new());
    let mut pace = tokio::time::interval(EVERY / 2);
    for nth in 0..count as u64 {
        pace.tick().await;
        let began = Instant::now();
        inserts.append(&[Event::new(nth)]).await?;
        insert.push(milliseconds(Instant::now(), began));
        pace.tick().await;
        let began = Instant::now();
        client.batch_execute("").await?;
        empty.push(milliseconds(Instant::now(), began));
    }
    Ok((Samples::new(insert.split_off(WARM_UP)), Samples::new(empty.split_off(WARM_UP))))
}

async fn round(side: &mut Side, clients: usize, events: &[Event], into: &mut Delays) -> anyhow::Result<()> {
    let ask = Ask { path: side.path().to_owned(), keep: Keep::Arrivals };
    let mut crowd = side.crowd(vec![ask; clients]).await?;
    let mut publisher = side.publisher().await?;
    let meter = Meter::start(&side.watched());
    let given = publisher.publish(events, Pace::Every(EVERY)).await?;
    crowd.until((events.len() * clients) as u64, ALL_WITHIN).await?;
    into.cpu = meter.text();
    let got: Vec<Got> = Crowd::finish(&mut crowd)?;
    drop(publisher);
    complete(&got, events)?;
    let each = |from: fn(&Given) -> Instant| -> Vec<f64> {
        let client = |got: &Got| {
            let arrived = got.arrivals.iter().zip(&given).skip(WARM_UP);
            arrived.map(|(at, given)| milliseconds(*at, from(given))).collect::<Vec<f64>>()
        };
        got.iter().flat_map(client).collect()
    };
    let from_sent = each(|given| given.sent);
    into.medians.push(Samples::new(from_sent.clone()).quantile(0.5));
    into.from_sent.extend(from_sent);
    into.from_answer.extend(each(|given| given.answered));
    Ok(())
}

/// From one moment to another, which may be the earlier one.
fn milliseconds(to: Instant, from: Instant) -> f64 {
    let later = to.saturating_duration_since(from).as_secs_f64();
    (later - from.saturating_duration_since(to).as_secs_f64()) * 1_000.0
}
