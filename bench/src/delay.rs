//! Measures the time from the commit of an event to its frame at a hundred clients, compared with Nchan in
//! alternating rounds.
//!
//! Only PostgreSQL knows when a commit is done. The bench knows when it sent the INSERT and when the answer
//! came. But the answer can come after the frames, since the commit triggers both and one machine does all
//! the work. So the bench estimates the time of the commit. The estimate is the time of sending, plus the
//! time of an INSERT while nothing follows the table, minus the whole round trip of an empty statement. It
//! is too early rather than too late.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_postgres::Client;

use crate::crowd::{Crowd, Keep, Received, Subscription};
use crate::events::{Event, Inserts};
use crate::fanout::complete;
use crate::peers::nchan::{self, Nchan};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::servers::{Pace, Published, Server};
use crate::stack::Stack;

/// 50 events a second.
const EVERY: Duration = Duration::from_millis(20);
/// Events at the start of a round that are not counted.
const WARM_UP: usize = 25;
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// The delays of one server, in milliseconds.
#[derive(Default)]
struct Delays {
    /// The median of each round, from sending to the frame.
    medians: Vec<f64>,
    /// All delays from sending to the frame.
    from_sent: Vec<f64>,
    /// All delays from the answer to the frame.
    from_answer: Vec<f64>,
    cpu: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (clients, rounds, events) = if quick { (20, 1, 50) } else { (100, 3, 275) };
    let mut report = Report::new("delay");
    let database = stack.database("delay").await?;
    let inserts = database.connect().await?;
    // This runs before a gateway listens.
    let (insert, empty) = baseline(&inserts, events).await?;
    let commit_after = insert.quantile(0.5) - empty.quantile(0.5);

    let mut servers = vec![Server::gateway(stack, &database).await?];
    match Nchan::start(stack.dir()).await? {
        Ok(nchan) => servers.push(Server::Nchan(nchan)),
        Err(why) => report.missing(nchan::NAME, why),
    }
    let mut delays: Vec<Delays> = servers.iter().map(|_| Delays::default()).collect();
    for nth in 1..=rounds {
        for (server, delays) in servers.iter_mut().zip(&mut delays) {
            let events: Vec<Event> = (0..events as u64).map(Event::new).collect();
            round(server, clients, &events, delays)
                .await
                .with_context(|| format!("{}, round {nth}", server.name()))?;
            report.progress(format_args!(
                "{}: {:.2} ms",
                server.name(),
                delays.medians.last().unwrap_or(&f64::NAN)
            ));
        }
    }

    let ours = &delays[0];
    let since_commit = |median: &f64| median - commit_after;
    let from_commit = Samples::new(ours.medians.iter().map(since_commit).collect());
    let from_sent = Samples::new(ours.from_sent.clone());
    report.row(Row::of("commit to frame, median", "ms", &from_commit).cpu(ours.cpu.clone()));
    report.row(Row::of("INSERT sent to frame, including its commit, median", "ms", &from_sent));
    report.row(
        Row::single("INSERT sent to frame, including its commit, p99", "ms", from_sent.quantile(0.99))
            .bar(Bar::AtMost(10.0)),
    );
    let from_answer = Samples::new(ours.from_answer.clone());
    report.row(Row::of("INSERT answered to frame, median", "ms", &from_answer));
    report.row(Row::of("INSERT without a listener", "ms", &insert));
    report.row(Row::of("empty statement", "ms", &empty));
    if let Some(nchan) = delays.get(1) {
        let publish = Samples::new(nchan.from_sent.clone());
        report.row(
            Row::of("Nchan: POST sent to frame, median", "ms", &Samples::new(nchan.medians.clone()))
                .cpu(nchan.cpu.clone()),
        );
        report.row(Row::single("Nchan: POST sent to frame, p99", "ms", publish.quantile(0.99)));
        let answer = Samples::new(nchan.from_answer.clone());
        report.row(Row::of("Nchan: POST answered to frame, median", "ms", &answer));
        let pairs = || ours.medians.iter().zip(&nchan.medians);
        let ratios = pairs().map(|(ours, nchan)| since_commit(ours) / nchan).collect();
        report.row(
            Row::of("ratio: commit to frame / Nchan's POST sent to frame", "×", &Samples::new(ratios))
                .bar(Bar::AtMost(1.5)),
        );
        let ratios = Samples::new(pairs().map(|(ours, nchan)| ours / nchan).collect());
        report.row(Row::of("ratio: INSERT sent to frame / Nchan's POST sent to frame", "×", &ratios));
    }
    report.note(format!(
        "{rounds} alternating rounds of {events} events, 50 a second, to {clients} clients; the first \
         {WARM_UP} of each round are not counted; every client got each event once and in order"
    ));
    report.note(format!(
        "commit to frame begins {commit_after:.2} ms after the INSERT was sent; this is the time of an \
         INSERT without a listener, minus the whole round trip of an empty statement"
    ));
    for server in servers {
        report.notes(server.stop().await?);
    }
    Ok(report)
}

/// The times of an INSERT and of an empty statement in milliseconds, at the same pace, while nothing follows
/// the table.
async fn baseline(client: &Client, count: usize) -> anyhow::Result<(Samples, Samples)> {
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

async fn round(
    server: &mut Server,
    clients: usize,
    events: &[Event],
    into: &mut Delays,
) -> anyhow::Result<()> {
    let subscription = Subscription { path: server.path().to_owned(), keep: Keep::Arrivals };
    let mut crowd = server.crowd(vec![subscription; clients]).await?;
    let mut publisher = server.publisher().await?;
    let meter = Meter::start(&server.watched());
    let published = publisher.publish(events, Pace::Every(EVERY)).await?;
    crowd.until((events.len() * clients) as u64, ALL_WITHIN).await?;
    into.cpu = meter.text();
    let received: Vec<Received> = Crowd::finish(&mut crowd)?;
    drop(publisher);
    complete(&received, events)?;
    let each = |from: fn(&Published) -> Instant| -> Vec<f64> {
        let client = |client: &Received| {
            let arrived = client.arrivals.iter().zip(&published).skip(WARM_UP);
            arrived.map(|(at, published)| milliseconds(*at, from(published))).collect::<Vec<f64>>()
        };
        received.iter().flat_map(client).collect()
    };
    let from_sent = each(|published| published.sent);
    into.medians.push(Samples::new(from_sent.clone()).quantile(0.5));
    into.from_sent.extend(from_sent);
    into.from_answer.extend(each(|published| published.answered));
    Ok(())
}

/// The time from `from` to `to`; negative if `to` is the earlier one.
fn milliseconds(to: Instant, from: Instant) -> f64 {
    let later = to.saturating_duration_since(from).as_secs_f64();
    (later - from.saturating_duration_since(to).as_secs_f64()) * 1_000.0
}
