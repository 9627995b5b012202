//! Measures how much more processor time the gateway needs when a hundred clients with filters join a
//! thousand clients without filters. Each round has two turns, in which the same events are sent. In the
//! first turn, only the thousand clients are connected. In the second turn, all clients are connected.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::crowd::{Crowd, Keep, Subscription};
use crate::events::{Event, Filter};
use crate::fanout::complete;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::servers::{Pace, Server};
use crate::sse::FEED;
use crate::stack::Stack;

const CHECKED: usize = 5;
const ALL_WITHIN: Duration = Duration::from_secs(60);

struct Plan {
    /// The number of clients without a filter.
    open: usize,
    /// The number of clients with a filter. Each client has a different filter.
    filtered: usize,
    rounds: usize,
}

/// The figures of one turn.
struct Turn {
    /// The processor seconds of the gateway.
    seconds: f64,
    took: Duration,
    /// The number of events that a filter matches, summed over all filters.
    matched: u64,
    cpu: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { open: 100, filtered: 10, rounds: 1 }
    } else {
        Plan { open: 1_000, filtered: 100, rounds: 3 }
    };
    let (unpaced, steady) = if quick { (2_000, 50) } else { (30_000, 600) };
    let mut report = Report::new("filters");
    let database = stack.database("filters").await?;
    let mut server = Server::gateway(stack, &database).await?;
    let every = Pace::Every(Duration::from_millis(10));
    for (what, pace, count) in
        [("as fast as possible", Pace::Unpaced, unpaced), ("100 events/s", every, steady)]
    {
        let events: Vec<Event> = (0..count).map(Event::new).collect();
        let (mut alone, mut both) = (Vec::new(), Vec::new());
        for nth in 1..=plan.rounds {
            for (filtered, turns) in [(0, &mut alone), (plan.filtered, &mut both)] {
                let turn = turn(&mut server, plan.open, filtered, &events, pace).await;
                let turn = turn.with_context(|| format!("{what}, round {nth}, {filtered} filters"))?;
                report.progress(format_args!("{what}, {filtered} filters: {:.2} CPU s", turn.seconds));
                turns.push(turn);
            }
        }
        let Plan { open, filtered, rounds } = plan;
        let of = |turns: &[Turn]| Samples::new(turns.iter().map(|turn| turn.seconds).collect());
        let (last_alone, last_both) = (&alone[rounds - 1], &both[rounds - 1]);
        let row = format!("{what}: gateway's processor time, {open} clients without a filter");
        report.row(Row::of(row, "CPU s", &of(&alone)).cpu(last_alone.cpu.clone()));
        let row =
            format!("{what}: gateway's processor time, {open} clients without and {filtered} with a filter");
        report.row(Row::of(row, "CPU s", &of(&both)).cpu(last_both.cpu.clone()));
        let ratios = both.iter().zip(&alone).map(|(both, alone)| both.seconds / alone.seconds);
        let row = format!("{what}: ratio of the processor times, with / without filters");
        report.row(Row::of(row, "×", &Samples::new(ratios.collect())).bar(Bar::AtMost(1.3)));
        report.note(format!("{what}: each turn has {count} events"));
        report.note(format!(
            "{what}: the last turn without filters took {:.1} s, and the last turn with filters took {:.1} s",
            last_alone.took.as_secs_f64(),
            last_both.took.as_secs_f64()
        ));
        report.note(format!("{what}: all filters of a turn together matched {} times", last_both.matched));
        report.note(format!("{what}: each client got exactly the events that it requested"));
    }
    report.notes(server.stop().await?);
    Ok(report)
}

async fn turn(
    server: &mut Server,
    open: usize,
    filtered: usize,
    events: &[Event],
    pace: Pace,
) -> anyhow::Result<Turn> {
    let after = server.append_earlier_events().await?;
    let filters = Filter::distinct(filtered as u64);
    let expected: Vec<Vec<u64>> = filters
        .iter()
        .map(|filter| events.iter().filter(|event| filter.accepts(event)).map(|event| event.number).collect())
        .collect();
    let matched: u64 = expected.iter().map(|numbers| numbers.len() as u64).sum();

    let mut subscriptions = Crowd::subscriptions(server.path(), open, CHECKED);
    subscriptions.extend(filters.iter().map(|filter| {
        // Without `last_event_id`, the client would first get events of an earlier turn.
        let path = format!("{FEED}{}&last_event_id={after}", filter.query());
        Subscription { path, keep: Keep::Numbers }
    }));
    let mut crowd = Crowd::connect(server.address(), subscriptions).await?;
    let mut publisher = server.publisher().await?;
    let meter = Meter::start(&server.watched());
    let began = Instant::now();
    publisher.publish(events, pace).await?;
    crowd.until((events.len() * open) as u64 + matched, ALL_WITHIN).await?;
    let (took, seconds, cpu) = (began.elapsed(), meter.seconds(server.pid()), meter.text());
    let received = crowd.finish()?;
    complete(&received[..open], events)?;
    for ((client, expected), filter) in received[open..].iter().zip(&expected).zip(&filters) {
        ensure!(
            client.numbers == *expected,
            "the client with the filter {} did not get exactly the events that match: it got {} events, and \
             {} match",
            filter.query(),
            client.numbers.len(),
            expected.len()
        );
    }
    Ok(Turn { seconds, took, matched, cpu })
}
