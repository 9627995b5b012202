//! Measures the processor time that a server needs per event and client, with a thousand clients. The gateway
//! and the peers are measured in alternating rounds. The events are sent as fast as possible in the first
//! rounds, and at a steady pace in the later rounds.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::crowd::{Crowd, Received};
use crate::events::Event;
use crate::peers::floor::{self, Floor};
use crate::peers::nchan::{self, Nchan};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::servers::{Pace, Server};
use crate::stack::Stack;

/// In each crowd, this many clients keep the number of each event. The numbers are checked after the round.
const CHECKED: usize = 5;
const ALL_WITHIN: Duration = Duration::from_secs(90);

struct Plan {
    clients: usize,
    rounds: usize,
    /// The number of events for the gateway when events are sent as fast as possible.
    unpaced: u64,
    /// The number of events for a peer when events are sent as fast as possible. This number is smaller than
    /// `unpaced`, because a peer takes longer per event.
    unpaced_peer: u64,
    /// The number of events for each server when events are sent at a steady pace.
    paced: u64,
}

/// The figures of one round.
pub(crate) struct Round {
    /// The number of events, multiplied by the number of clients.
    pub(crate) delivered: f64,
    /// The processor seconds of the server, without the seconds of PostgreSQL.
    pub(crate) seconds: f64,
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
    pub(crate) cpu: String,
    /// A remark for the report, which may be empty.
    pub(crate) remark: String,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { clients: 100, rounds: 1, unpaced: 1_000, unpaced_peer: 500, paced: 100 }
    } else {
        Plan { clients: 1_000, rounds: 3, unpaced: 50_000, unpaced_peer: 2_000, paced: 800 }
    };
    let mut report = Report::new("fanout");
    let database = stack.database("fanout").await?;
    let mut servers = vec![Server::gateway(stack, &database).await?];
    match Nchan::start(stack.dir()).await? {
        Ok(nchan) => servers.push(Server::Nchan(nchan)),
        Err(why) => report.missing(nchan::NAME, why),
    }
    servers.push(Server::Floor(Floor::start()?));
    let unpaced = [(floor::NAME, Bar::AtLeast(2.0)), (nchan::NAME, Bar::AtLeast(3.0))];
    measure(&mut report, &mut servers, &plan, ("as fast as possible", Pace::Unpaced), &unpaced).await?;
    let steady = [(nchan::NAME, Bar::AtLeast(1.0))];
    let every = Pace::Every(Duration::from_millis(10));
    measure(&mut report, &mut servers, &plan, ("100 events/s", every), &steady).await?;
    for server in servers {
        report.notes(server.stop().await?);
    }
    Ok(report)
}

/// Measures all servers at one pace, in alternating rounds. `bars` contains pairs: the name of a peer, and
/// the bar for the ratio of the gateway's figure to the peer's figure.
async fn measure(
    report: &mut Report,
    servers: &mut [Server],
    plan: &Plan,
    (what, pace): (&str, Pace),
    bars: &[(&str, Bar)],
) -> anyhow::Result<()> {
    let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
    let counts: Vec<u64> = servers
        .iter()
        .map(|server| match (pace, server) {
            (Pace::Unpaced, Server::Gateway { .. }) => plan.unpaced,
            (Pace::Unpaced, _) => plan.unpaced_peer,
            (Pace::Every(_), _) => plan.paced,
        })
        .collect();
    for nth in 1..=plan.rounds {
        for ((server, rounds), count) in servers.iter_mut().zip(&mut rounds).zip(&counts) {
            let events: Vec<Event> = (0..*count).map(Event::new).collect();
            let round = round(server, plan.clients, &events, pace).await;
            let round = round.with_context(|| format!("{}, {what}, round {nth}", server.name()))?;
            report.progress(format_args!("{what}, {}: {:.0} events/CPU s", server.name(), round.rate()));
            rounds.push(round);
        }
    }
    let clients = plan.clients;
    for ((server, rounds), count) in servers.iter().zip(&rounds).zip(&counts) {
        let rates = Samples::new(rounds.iter().map(Round::rate).collect());
        let name = server.name();
        let row = format!("{name}, {what}, {clients} clients: events delivered per CPU second");
        let last = &rounds[rounds.len() - 1];
        report.row(Row::of(row, "/s", &rates).cpu(last.cpu.clone()));
        report.note(format!(
            "{name}, {what}: each round has {count} events; the last round took {:.1} s",
            last.took.as_secs_f64()
        ));
        report.note(format!(
            "{name}, {what}: a client received {:.0} bytes per event{}",
            last.bytes as f64 / last.delivered,
            last.remark
        ));
    }
    for (server, others) in servers.iter().zip(&rounds).skip(1) {
        // Each ratio compares two rounds that ran one shortly after the other, because the speed of the
        // machine changes over time.
        let ratios = rounds[0].iter().zip(others).map(|(ours, other)| ours.rate() / other.rate());
        let name = format!("{what}: ratio of events per CPU second, gateway-feed / {}", server.name());
        let row = Row::of(name, "×", &Samples::new(ratios.collect()));
        let bar = bars.iter().find(|(name, _)| *name == server.name());
        report.row(match bar {
            Some((_, bar)) => row.bar(*bar),
            None => row,
        });
    }
    Ok(())
}

impl Round {
    /// The number of events that were delivered per second of the server's processor time.
    pub(crate) fn rate(&self) -> f64 {
        self.delivered / self.seconds
    }
}

/// Publishes `events` to a server with `clients` clients, and checks that every client receives every event.
pub(crate) async fn round(
    server: &mut Server,
    clients: usize,
    events: &[Event],
    pace: Pace,
) -> anyhow::Result<Round> {
    let mut crowd = server.crowd(Crowd::subscriptions(server.path(), clients, CHECKED)).await?;
    let mut publisher = server.publisher().await?;
    let delivered = events.len() as u64 * clients as u64;
    let meter = Meter::start(&server.watched());
    let began = Instant::now();
    publisher.publish(events, pace).await?;
    crowd.until(delivered, ALL_WITHIN).await?;
    let (took, seconds, cpu) = (began.elapsed(), meter.seconds(server.pid()), meter.text());
    let received = crowd.finish()?;
    drop(publisher);
    let remark = server.take_remark()?.map(|remark| format!("; {remark}")).unwrap_or_default();
    complete(&received, events)?;
    let bytes = received.iter().map(|client| client.bytes).sum();
    Ok(Round { delivered: delivered as f64, seconds, took, bytes, cpu, remark })
}

/// Checks that every client received every event. For a client that keeps the numbers of the events, also
/// checks that each event arrived once and in order.
pub(crate) fn complete(received: &[Received], events: &[Event]) -> anyhow::Result<()> {
    for (client, own) in received.iter().enumerate() {
        ensure!(
            own.events == events.len() as u64,
            "client {client} got {} of {} events",
            own.events,
            events.len()
        );
        ensure!(
            own.numbers.is_empty() || own.numbers.iter().copied().eq(events.iter().map(|event| event.number)),
            "client {client} did not get each event once and in order"
        );
    }
    Ok(())
}
