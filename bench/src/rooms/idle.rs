//! Measures what thousands of viewers cost, each in a room of its own: the memory of an idle viewer with its
//! identity, and the processor time of a connect. Then few lines are written into random rooms, and each line
//! must reach exactly one viewer.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tokio::time::sleep;

use super::delay;
use super::house::{self, Draw, House, Lines, pace};
use super::plan::Plan;
use crate::crowd::{Crowd, Keep, Received};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

/// The databases of the rounds. In each round, the rooms have no lines at the start.
const DATABASES: [&str; 3] = ["rooms_idle_1", "rooms_idle_2", "rooms_idle_3"];
/// The number of lines per second. Each line is a statement of its own.
const RATE: u32 = 100;
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);
/// The pause between connecting the viewers and reading the processor time of the connects.
const PAUSE: Duration = Duration::from_secs(1);

/// The figures of one gateway, with one value per round.
#[derive(Default)]
struct Figures {
    kib_each: Vec<f64>,
    microseconds_each: Vec<f64>,
    /// The number of frames that all viewers together received per line.
    frames: Vec<f64>,
    connecting: String,
    lines: String,
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let viewers = plan.viewers;
    let mut figures = Figures::default();
    let mut draw = Draw::new(viewers);
    for (name, round) in DATABASES.into_iter().zip(1..=plan.rounds) {
        let database = stack.database(name).await?;
        let client = database.connect().await?;
        // The last room is for the delay of a line, and has no other viewer.
        let house = House::open(&client, viewers + 1).await?;
        let lines = Lines::prepare(&client).await?;
        let gateway = house::gateway(stack, &database).await?;
        sleep(plan.settle.min(Duration::from_secs(3))).await;
        let before = kib(gateway.pid(), "VmRSS")?;
        let meter = Meter::start(&[gateway.watched(), stack.watched()]);
        let mut crowd = Crowd::connect(gateway.address, house.viewers(viewers, Keep::Numbers)).await?;
        sleep(PAUSE).await;
        figures.microseconds_each.push(meter.seconds(gateway.pid()) * 1e6 / viewers as f64);
        figures.connecting = meter.text();
        sleep(plan.settle).await;
        figures.kib_each.push((kib(gateway.pid(), "VmRSS")? - before) / viewers as f64);
        report.progress(format_args!("round {round} of {}: {viewers} viewers are connected", plan.rounds));

        let meter = Meter::start(&[gateway.watched(), stack.watched()]);
        let mut expected = vec![Vec::new(); viewers];
        let (began, mut sent) = (Instant::now(), 0);
        while began.elapsed() < plan.turn {
            let line = draw.lines(1);
            lines.write(&line).await?;
            line.iter().for_each(|(room, number)| expected[*room].push(*number));
            sent += 1;
            pace(began, sent, RATE).await;
        }
        crowd.until(u64::from(sent), ARRIVE_WITHIN).await?;
        figures.lines = meter.text();
        if round == plan.rounds {
            let who = format!("{viewers} other viewers are connected");
            delay::rows(stack, &gateway, &house, viewers, plan, &who, report).await?;
        }
        ensure!(crowd.closed() == 0, "the gateway closed {} of {viewers} viewers", crowd.closed());
        let received = crowd.finish()?;
        check(&received, &expected)?;
        let frames: u64 = received.iter().map(|viewer| viewer.events).sum();
        figures.frames.push(frames as f64 / f64::from(sent));
        report.notes(gateway.stop().await?);
    }
    let Figures { kib_each, microseconds_each, frames, connecting, lines } = figures;
    let what = format!("memory per idle viewer, {viewers} rooms with one viewer each");
    report.row(Row::of(what, "KiB", &Samples::new(kib_each)).bar(Bar::AtMost(7.5)));
    let what = "processor time of the gateway per connect, rooms without lines";
    let each = Row::of(what, "µs", &Samples::new(microseconds_each));
    report.row(each.bar(Bar::AtMost(150.0)).cpu(connecting));
    let what = format!("frames per line, {RATE} lines/s into random rooms");
    report.row(Row::of(what, "", &Samples::new(frames)).bar(Bar::AtMost(1.0)).cpu(lines));
    report.note(format!(
        "{} lines were written into random rooms; each line reached the viewer of its room once, in order, \
         and no other viewer",
        draw.drawn()
    ));
    report.note("each viewer has a token of its own, and each room may be read by its owner only");
    Ok(())
}

/// Each viewer must have received exactly the lines of its room, in order.
fn check(received: &[Received], expected: &[Vec<u64>]) -> anyhow::Result<()> {
    let mut pairs = received.iter().zip(expected);
    let Some(room) = pairs.position(|(got, expected)| got.numbers != *expected) else { return Ok(()) };
    let (got, expected) = (&received[room].numbers, &expected[room]);
    bail!("the viewer of room {room} got the lines {got:?} instead of {expected:?}")
}
