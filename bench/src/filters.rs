//! What a hundred clients that each want something else cost a gateway, beside a thousand that want
//! everything: the same events in turns to the thousand alone and to both.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::crowd::{Ask, Crowd, Keep};
use crate::events::{Event, Wanted};
use crate::fanout::complete;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::sides::{Pace, Side};
use crate::sse::FEED;
use crate::stack::Stack;

const CHECKED: usize = 5;
const ALL_WITHIN: Duration = Duration::from_secs(60);

struct Plan {
    open: usize,
    filtered: usize,
    rounds: usize,
}

/// What one turn took of the gateway's processor time, and altogether.
struct Turn {
    seconds: f64,
    took: Duration,
    matched: u64,
    cpu: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { open: 100, filtered: 10, rounds: 1 }
    } else {
        Plan { open: 1_000, filtered: 100, rounds: 3 }
    };
    let (flat, steady) = if quick { (2_000, 50) } else { (30_000, 600) };
    let mut report = Report::new("filters");
    let database = stack.database("filters").await?;
    let mut side = Side::gateway(stack, &database).await?;
    let every = Pace::Every(Duration::from_millis(10));
    for (what, pace, count) in [("as fast as they go", Pace::Flat, flat), ("100 events/s", every, steady)] {
        let events: Vec<Event> = (0..count).map(Event::new).collect();
        let (mut alone, mut both) = (Vec::new(), Vec::new());
        for nth in 1..=plan.rounds {
            for (filtered, turns) in [(0, &mut alone), (plan.filtered, &mut both)] {
                let turn = turn(&mut side, plan.open, filtered, &events, pace).await;
                let turn = turn.with_context(|| format!("{what}, round {nth}, {filtered} with a filter"))?;
                report.progress(format_args!("{what}, {filtered} with a filter: {:.2} CPU s", turn.seconds));
                turns.push(turn);
            }
        }
        let Plan { open, filtered, rounds } = plan;
        let of = |turns: &[Turn]| Samples::new(turns.iter().map(|turn| turn.seconds).collect());
        let (last_alone, last_both) = (&alone[rounds - 1], &both[rounds - 1]);
        report.row(
            Row::of(format!("{what}: {open} clients without a filter"), "CPU s", &of(&alone))
                .cpu(last_alone.cpu.clone()),
        );
        report.row(
            Row::of(format!("{what}: {filtered} more, each with another filter"), "CPU s", &of(&both))
                .cpu(last_both.cpu.clone()),
        );
        let ratios = both.iter().zip(&alone).map(|(both, alone)| both.seconds / alone.seconds);
        report.row(
            Row::of(format!("{what}: with them for without"), "×", &Samples::new(ratios.collect()))
                .bar(Bar::AtMost(1.3)),
        );
        report.note(format!(
            "{what}: {count} events a turn; the last turns took {:.1} s and {:.1} s; the filters matched {} \
             times, and each client got exactly what it had asked for",
            last_alone.took.as_secs_f64(),
            last_both.took.as_secs_f64(),
            last_both.matched
        ));
    }
    report.notes(side.stop().await?);
    Ok(report)
}

async fn turn(
    side: &mut Side,
    open: usize,
    filtered: usize,
    events: &[Event],
    pace: Pace,
) -> anyhow::Result<Turn> {
    let after = side.earlier().await?;
    let wanted = Wanted::different(filtered as u64);
    let expected: Vec<Vec<u64>> = wanted
        .iter()
        .map(|wanted| events.iter().filter(|event| wanted.accepts(event)).map(|event| event.number).collect())
        .collect();
    let matched: u64 = expected.iter().map(|numbers| numbers.len() as u64).sum();

    let mut asks = Crowd::asks(side.path(), open, CHECKED);
    asks.extend(wanted.iter().map(|wanted| {
        // Else it would begin with what an earlier turn had for this filter.
        let path = format!("{FEED}{}&last_event_id={after}", wanted.query());
        Ask { path, keep: Keep::Numbers }
    }));
    let mut crowd = Crowd::connect(side.address(), asks).await?;
    let mut publisher = side.publisher().await?;
    let meter = Meter::start(&side.watched());
    let began = Instant::now();
    publisher.publish(events, pace).await?;
    crowd.until((events.len() * open) as u64 + matched, ALL_WITHIN).await?;
    let (took, seconds, cpu) = (began.elapsed(), meter.seconds(side.pid()), meter.text());
    let got = crowd.finish()?;
    complete(&got[..open], events)?;
    for ((got, expected), wanted) in got[open..].iter().zip(&expected).zip(&wanted) {
        ensure!(
            got.numbers == *expected,
            "the client of {} got {} events instead of {}",
            wanted.query(),
            got.numbers.len(),
            expected.len()
        );
    }
    Ok(Turn { seconds, took, matched, cpu })
}
