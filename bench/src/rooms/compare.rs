//! Compares a gateway with NestJS, ioredis and Redis: the memory per viewer, and the lines delivered per
//! processor second of the server. Each viewer has a room of its own. The lines are written to the store of
//! each server: to the table, or with PUBLISH.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tokio::time::sleep;

use super::house::{self, Draw, House, LINE, Lines, SECRET, json, owner, room};
use super::plan::Plan;
use crate::crowd::{Crowd, Keep};
use crate::peers::nest::{self, Nest, Redis};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

/// The databases of the rounds. In each round, the rooms have no lines at the start.
const DATABASES: [&str; 3] = ["rooms_compare_1", "rooms_compare_2", "rooms_compare_3"];
/// The number of lines per second, and per statement or packet of PUBLISH commands, at a fixed rate.
const RATE: u32 = 1_000;
const LINES: usize = 10;
/// The number of lines per statement or packet when lines are written as fast as possible.
const MANY_LINES: usize = 250;
/// When lines are written as fast as possible, at most this number of lines is under way.
const UNDER_WAY: usize = 20 * MANY_LINES;
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);

/// The figures of one server, with one value per round.
#[derive(Default)]
struct Figures {
    kib_each: Vec<f64>,
    store_kib_each: Vec<f64>,
    paced: Rates,
    unpaced: Rates,
}

/// The lines delivered per processor second, with one value per round.
#[derive(Default)]
struct Rates {
    of_server: Vec<f64>,
    of_store: Vec<f64>,
    cpu: String,
}

/// How fast lines are written.
#[derive(Clone, Copy)]
enum Pace {
    Fixed,
    AsFastAsPossible,
}

impl Pace {
    fn text(self) -> String {
        match self {
            Self::Fixed => format!("{RATE} lines/s"),
            Self::AsFastAsPossible => "as fast as possible".to_owned(),
        }
    }
}

/// A server and its store: the name and the process id of each.
struct Watched {
    server: (&'static str, u32),
    store: (&'static str, u32),
    /// Whether one process of the store holds all its memory.
    store_is_one_process: bool,
}

/// Writes lines to the store of a server.
enum Writer<'a> {
    Table(Lines<'a>),
    Redis(Redis),
}

impl Writer<'_> {
    async fn write(&mut self, lines: &[(usize, u64)]) -> anyhow::Result<()> {
        match self {
            Self::Table(table) => table.write(lines).await.map(|_| ()),
            Self::Redis(redis) => {
                let messages: Vec<(String, String)> = lines
                    .iter()
                    .map(|(number, line)| (format!("room:{}:logs", room(*number)), json(*line)))
                    .collect();
                let got = redis.publish(&messages).await?;
                ensure!(got == lines.len(), "{got} subscribers got {} lines", lines.len());
                Ok(())
            }
        }
    }
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    let mut missing = None;
    for (name, round) in DATABASES.into_iter().zip(1..=plan.rounds) {
        let database = stack.database(name).await?;
        let client = database.connect().await?;
        let house = House::open(&client, plan.compared).await?;
        let gateway = house::gateway(stack, &database).await?;
        let watched =
            Watched { server: gateway.watched(), store: stack.watched(), store_is_one_process: false };
        let writer = Writer::Table(Lines::prepare(&client).await?);
        turn(&house, plan, gateway.address, &watched, writer, &mut ours).await?;
        report.notes(gateway.stop().await?);
        report.progress(format_args!("compare: round {round} of {}: the gateway is measured", plan.rounds));

        let nest = match Nest::start(stack, SECRET).await? {
            Ok(nest) => nest,
            Err(why) => {
                missing = Some(why);
                continue;
            }
        };
        let mut redis = nest.client().await?;
        let owners = (0..plan.compared).map(|number| (format!("room:{}:owner", room(number)), owner(number)));
        redis.set(&owners.collect::<Vec<_>>()).await?;
        let watched = Watched {
            server: nest.server.watched(),
            store: nest.redis.watched(),
            store_is_one_process: true,
        };
        turn(&house, plan, nest.server.address, &watched, Writer::Redis(redis), &mut theirs).await?;
        report.notes(nest.stop().await?);
        report.progress(format_args!("compare: round {round} of {}: NestJS is measured", plan.rounds));
    }
    rows(report, plan, "gateway-feed", "PostgreSQL", &ours);
    match missing {
        Some(why) => report.missing(nest::NAME, why),
        None => {
            rows(report, plan, nest::NAME, "Redis", &theirs);
            for (pace, ours, theirs) in [
                (Pace::Fixed, &ours.paced, &theirs.paced),
                (Pace::AsFastAsPossible, &ours.unpaced, &theirs.unpaced),
            ] {
                let pace = pace.text();
                let what = format!("{pace}: ratio to NestJS, lines delivered per CPU second of the server");
                let ratio = Row::ratio(&what, &ours.of_server, &theirs.of_server);
                report.row(ratio.bar(Bar::AtLeast(3.0)));
            }
            let ratio = Row::ratio("ratio to NestJS: memory per viewer", &ours.kib_each, &theirs.kib_each);
            report.row(ratio.bar(Bar::AtMost(0.25)));
        }
    }
    report.note(format!(
        "compared with NestJS: {} rooms with one viewer each, {} alternating rounds, {} s for each pace; \
         every line reached its viewer once",
        plan.compared,
        plan.rounds,
        plan.turn.as_secs()
    ));
    report.note(format!(
        "compared with NestJS: a statement or a packet of PUBLISH commands has {LINES} lines; as fast as \
         possible, it has {MANY_LINES} lines, and at most {UNDER_WAY} lines are under way"
    ));
    report.note(format!(
        "{}: one process with NODE_ENV=production, and one Redis connection per viewer; Redis stores nothing \
         on disk, and no line is stored anywhere",
        nest::NAME
    ));
    Ok(())
}

/// Connects the viewers, reads the memory, and writes lines to random rooms.
async fn turn(
    house: &House,
    plan: &Plan,
    address: SocketAddr,
    watched: &Watched,
    mut writer: Writer<'_>,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let Watched { server, store, store_is_one_process } = *watched;
    let memory = || -> anyhow::Result<(f64, f64)> {
        let store = if store_is_one_process { kib(store.1, "VmRSS")? } else { f64::NAN };
        Ok((kib(server.1, "VmRSS")?, store))
    };
    let viewers = plan.compared;
    sleep(plan.settle.min(Duration::from_secs(3))).await;
    let before = memory()?;
    let mut crowd = Crowd::connect_counting(address, house.viewers(viewers, Keep::Count), LINE).await?;
    sleep(plan.settle).await;
    let after = memory()?;
    figures.kib_each.push((after.0 - before.0) / viewers as f64);
    figures.store_kib_each.push((after.1 - before.1) / viewers as f64);

    let mut draw = Draw::new(viewers);
    let mut expected = vec![0; viewers];
    for (pace, rates) in [(Pace::Fixed, &mut figures.paced), (Pace::AsFastAsPossible, &mut figures.unpaced)] {
        let before = draw.drawn();
        let meter = Meter::start(&[server, store]);
        write(&mut writer, pace, plan.turn, &crowd, &mut draw, &mut expected).await?;
        let lines = (draw.drawn() - before) as f64;
        rates.of_server.push(lines / meter.seconds(server.1));
        rates.of_store.push(lines / meter.seconds(store.1));
        rates.cpu = meter.text();
    }
    ensure!(crowd.closed() == 0, "{} closed {} of {viewers} viewers", server.0, crowd.closed());
    let got = crowd.finish()?;
    if let Some(room) = got.iter().zip(&expected).position(|(got, expected)| got.events != *expected) {
        bail!("the viewer of room {room} got {} lines instead of {}", got[room].events, expected[room]);
    }
    Ok(())
}

/// Writes lines to random rooms for `time`, and waits until all lines have arrived. Counts the lines of each
/// room in `expected`.
async fn write(
    writer: &mut Writer<'_>,
    pace: Pace,
    time: Duration,
    crowd: &Crowd,
    draw: &mut Draw,
    expected: &mut [u64],
) -> anyhow::Result<()> {
    let (began, mut steps) = (Instant::now(), 0);
    while began.elapsed() < time {
        let lines = match pace {
            Pace::Fixed => draw.lines(LINES),
            Pace::AsFastAsPossible => draw.lines(MANY_LINES),
        };
        writer.write(&lines).await?;
        lines.iter().for_each(|(room, _)| expected[*room] += 1);
        steps += 1;
        match pace {
            Pace::Fixed => house::pace(began, steps, RATE / LINES as u32).await,
            Pace::AsFastAsPossible => {
                let arrived = draw.drawn().saturating_sub(UNDER_WAY as u64);
                crowd.until(arrived, ARRIVE_WITHIN).await?;
            }
        }
    }
    crowd.until(draw.drawn(), ARRIVE_WITHIN).await
}

fn rows(report: &mut Report, plan: &Plan, server: &str, store: &str, figures: &Figures) {
    let Figures { kib_each, store_kib_each, paced, unpaced } = figures;
    let row = |what: String, unit, values: &[f64]| Row::of(what, unit, &Samples::new(values.to_vec()));
    let viewers = plan.compared;
    report.row(row(format!("{server}: memory per idle viewer, {viewers} viewers"), "KiB", kib_each));
    if !store_kib_each.iter().any(|kib| kib.is_nan()) {
        report.row(row(format!("{server}: memory of {store} per idle viewer"), "KiB", store_kib_each));
    }
    for (pace, rates) in [(Pace::Fixed, paced), (Pace::AsFastAsPossible, unpaced)] {
        let what = format!("{server}, {}: lines delivered per CPU second of", pace.text());
        report.row(row(format!("{what} the server"), "/s", &rates.of_server).cpu(rates.cpu.clone()));
        report.row(row(format!("{what} {store}"), "/s", &rates.of_store));
    }
}
