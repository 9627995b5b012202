//! What a delivery to one of a thousand clients costs a server in processor time, beside peers, in turns:
//! with events as fast as they go, and at a steady pace.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::crowd::{Crowd, Got};
use crate::events::Event;
use crate::peers::floor::{self, Floor};
use crate::peers::nchan::{self, Nchan};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::sides::{Pace, Side};
use crate::stack::Stack;

/// Clients of a crowd that note every event.
const CHECKED: usize = 5;
const ALL_WITHIN: Duration = Duration::from_secs(90);

struct Plan {
    clients: usize,
    rounds: usize,
    /// To the gateway, as fast as they go.
    flat: u64,
    /// To a peer, which takes longer for each.
    flat_peer: u64,
    /// At a steady pace, to each of them.
    paced: u64,
}

/// What one round was.
pub(crate) struct Round {
    pub(crate) deliveries: f64,
    /// Processor seconds of the server alone.
    pub(crate) seconds: f64,
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
    pub(crate) cpu: String,
    /// What else is to be told of it.
    pub(crate) remark: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { clients: 100, rounds: 1, flat: 1_000, flat_peer: 500, paced: 100 }
    } else {
        Plan { clients: 1_000, rounds: 3, flat: 50_000, flat_peer: 2_000, paced: 800 }
    };
    let mut report = Report::new("fanout");
    let database = stack.database("fanout").await?;
    let mut sides = vec![Side::gateway(stack, &database).await?];
    match Nchan::start(stack.dir()).await? {
        Ok(nchan) => sides.push(Side::Nchan(nchan)),
        Err(why) => report.missing(nchan::NAME, why),
    }
    sides.push(Side::Floor(Floor::start()?));
    let flat = [(floor::NAME, Bar::AtLeast(2.0)), (nchan::NAME, Bar::AtLeast(3.0))];
    measure(&mut report, &mut sides, &plan, ("as fast as they go", Pace::Flat), &flat).await?;
    let steady = [(nchan::NAME, Bar::AtLeast(1.0))];
    let every = Pace::Every(Duration::from_millis(10));
    measure(&mut report, &mut sides, &plan, ("100 events/s", every), &steady).await?;
    for side in sides {
        report.notes(side.stop().await?);
    }
    Ok(report)
}

/// Rounds in turns at one pace; `bars` are for what the first side does for each of another one's.
async fn measure(
    report: &mut Report,
    sides: &mut [Side],
    plan: &Plan,
    (what, pace): (&str, Pace),
    bars: &[(&str, Bar)],
) -> anyhow::Result<()> {
    let mut rounds: Vec<Vec<Round>> = sides.iter().map(|_| Vec::new()).collect();
    let counts: Vec<u64> = sides
        .iter()
        .map(|side| match (pace, side) {
            (Pace::Flat, Side::Gateway { .. }) => plan.flat,
            (Pace::Flat, _) => plan.flat_peer,
            (Pace::Every(_), _) => plan.paced,
        })
        .collect();
    for nth in 1..=plan.rounds {
        for ((side, rounds), count) in sides.iter_mut().zip(&mut rounds).zip(&counts) {
            let events: Vec<Event> = (0..*count).map(Event::new).collect();
            let round = round(side, plan.clients, &events, pace).await;
            let round = round.with_context(|| format!("{}, {what}, round {nth}", side.name()))?;
            report.progress(format_args!("{what}, {}: {:.0}/CPU s", side.name(), round.rate()));
            rounds.push(round);
        }
    }
    let clients = plan.clients;
    for ((side, rounds), count) in sides.iter().zip(&rounds).zip(&counts) {
        let rates = Samples::new(rounds.iter().map(Round::rate).collect());
        let row = format!("{}, {what}, {clients} clients: deliveries for each CPU second", side.name());
        let last = &rounds[rounds.len() - 1];
        report.row(Row::of(row, "/s", &rates).cpu(last.cpu.clone()));
        report.note(format!(
            "{what}, {}: {count} events a round, the last in {:.1} s, {:.0} bytes on the wire for each \
             delivery{}",
            side.name(),
            last.took.as_secs_f64(),
            last.bytes as f64 / last.deliveries,
            last.remark
        ));
    }
    for (side, others) in sides.iter().zip(&rounds).skip(1) {
        // Of the same turn: the machine's own speed drifts.
        let ratios = rounds[0].iter().zip(others).map(|(ours, other)| ours.rate() / other.rate());
        let row = Row::of(
            format!("{what}: for each such delivery of {}", side.name()),
            "×",
            &Samples::new(ratios.collect()),
        );
        let bar = bars.iter().find(|(name, _)| *name == side.name());
        report.row(match bar {
            Some((_, bar)) => row.bar(*bar),
            None => row,
        });
    }
    Ok(())
}

impl Round {
    /// Deliveries for each second of the server's processor time.
    pub(crate) fn rate(&self) -> f64 {
        self.deliveries / self.seconds
    }
}

/// Gives `events` to a server with that many clients, and sees to it that each of them got each event.
pub(crate) async fn round(
    side: &mut Side,
    clients: usize,
    events: &[Event],
    pace: Pace,
) -> anyhow::Result<Round> {
    let mut crowd = side.crowd(Crowd::asks(side.path(), clients, CHECKED)).await?;
    let mut publisher = side.publisher().await?;
    let deliveries = events.len() as u64 * clients as u64;
    let meter = Meter::start(&side.watched());
    let began = Instant::now();
    publisher.publish(events, pace).await?;
    crowd.until(deliveries, ALL_WITHIN).await?;
    let (took, seconds, cpu) = (began.elapsed(), meter.seconds(side.pid()), meter.text());
    let got = crowd.finish()?;
    drop(publisher);
    let remark = side.parted()?.map(|said| format!("; {said}")).unwrap_or_default();
    complete(&got, events)?;
    let bytes = got.iter().map(|got| got.bytes).sum();
    Ok(Round { deliveries: deliveries as f64, seconds, took, bytes, cpu, remark })
}

/// Whether each client got each event, and those that note them also once and in order.
pub(crate) fn complete(got: &[Got], events: &[Event]) -> anyhow::Result<()> {
    for (client, got) in got.iter().enumerate() {
        ensure!(
            got.events == events.len() as u64,
            "client {client} got {} of {} events",
            got.events,
            events.len()
        );
        ensure!(
            got.numbers.is_empty() || got.numbers.iter().copied().eq(events.iter().map(|event| event.number)),
            "client {client} did not get each event once and in order"
        );
    }
    Ok(())
}
