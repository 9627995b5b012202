//! Measures the delay from the commit of an event to the arrival of its frame at a hundred clients.
//! Alternating rounds measure Nchan in the same way.
//!
//! Only PostgreSQL knows when a commit is complete. The bench knows when the INSERT was sent and when the
//! answer to the INSERT came. The commit triggers both the answer and the frames, and one machine does all
//! the work. So the answer can come after the frames. Therefore the bench estimates the time of the commit.
//! The estimate is the time at which the INSERT was sent, plus the median duration of an INSERT while no
//! gateway listens, minus the median round trip of an empty statement. If the estimate is wrong, the
//! estimated time is too early, not too late. The reported delay is then too long, not too short.

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

/// The time between two events. At this pace, 50 events a second are sent.
const EVERY: Duration = Duration::from_millis(20);
/// The number of warm-up events at the start of each round. Their delays are not counted.
const WARM_UP: usize = 25;
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// The delays of one server, in milliseconds.
#[derive(Default)]
struct Delays {
    /// The median delay of each round, from sending an event to the arrival of its frame.
    medians: Vec<f64>,
    /// All delays from sending an event to the arrival of its frame.
    from_sent: Vec<f64>,
    /// All delays between the answer to the publisher and the arrival of the frame. A delay is negative if
    /// the frame arrived before the answer.
    from_answer: Vec<f64>,
    cpu: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (clients, rounds, events) = if quick { (20, 1, 50) } else { (100, 3, 275) };
    let mut report = Report::new("delay");
    let database = stack.database("delay").await?;
    let inserts = database.connect().await?;
    // The baseline is measured before any gateway listens.
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
                "{}: median delay {:.2} ms",
                server.name(),
                delays.medians.last().unwrap_or(&f64::NAN)
            ));
        }
    }

    let ours = &delays[0];
    let since_commit = |median: &f64| median - commit_after;
    let from_commit = Samples::new(ours.medians.iter().map(since_commit).collect());
    let from_sent = Samples::new(ours.from_sent.clone());
    report.row(Row::of("delay from commit to frame, median", "ms", &from_commit).cpu(ours.cpu.clone()));
    report.row(Row::of("delay between sending the INSERT and the frame, median", "ms", &from_sent));
    report.row(
        Row::single("delay between sending the INSERT and the frame, p99", "ms", from_sent.quantile(0.99))
            .bar(Bar::AtMost(10.0)),
    );
    let from_answer = Samples::new(ours.from_answer.clone());
    report.row(Row::of("delay between the answer to the INSERT and the frame, median", "ms", &from_answer));
    report.row(Row::of("duration of an INSERT while no gateway listens", "ms", &insert));
    report.row(Row::of("round trip of an empty statement", "ms", &empty));
    if let Some(nchan) = delays.get(1) {
        let publish = Samples::new(nchan.from_sent.clone());
        let medians = Samples::new(nchan.medians.clone());
        report.row(
            Row::of("Nchan: delay between sending the POST and the frame, median", "ms", &medians)
                .cpu(nchan.cpu.clone()),
        );
        let p99 = publish.quantile(0.99);
        report.row(Row::single("Nchan: delay between sending the POST and the frame, p99", "ms", p99));
        let answer = Samples::new(nchan.from_answer.clone());
        let what = "Nchan: delay between the answer to the POST and the frame, median";
        report.row(Row::of(what, "ms", &answer));
        let pairs = || ours.medians.iter().zip(&nchan.medians);
        let ratios = Samples::new(pairs().map(|(ours, nchan)| since_commit(ours) / nchan).collect());
        let what = "ratio of the median delays: commit to frame / Nchan's POST to frame";
        report.row(Row::of(what, "×", &ratios).bar(Bar::AtMost(1.5)));
        let ratios = Samples::new(pairs().map(|(ours, nchan)| ours / nchan).collect());
        let what = "ratio of the median delays: INSERT to frame / Nchan's POST to frame";
        report.row(Row::of(what, "×", &ratios));
    }
    report.note(format!(
        "{rounds} alternating rounds of {events} events, 50 a second, to {clients} clients; the first \
         {WARM_UP} events of each round are not counted"
    ));
    report.note("every client got each event once and in order");
    report.note(format!(
        "the time of the commit is estimated as {commit_after:.2} ms after the INSERT was sent; the estimate \
         is the median duration of an INSERT while no gateway listens, minus the median round trip of an \
         empty statement"
    ));
    for server in servers {
        report.notes(server.stop().await?);
    }
    Ok(report)
}

/// Measures how long an INSERT and an empty statement take, in milliseconds, while no gateway listens. The
/// INSERTs are sent at the same pace as the events of a round, and so are the empty statements.
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

/// The milliseconds from `from` to `to`. The result is negative if `to` is earlier than `from`.
fn milliseconds(to: Instant, from: Instant) -> f64 {
    let later = to.saturating_duration_since(from).as_secs_f64();
    (later - from.saturating_duration_since(to).as_secs_f64()) * 1_000.0
}
