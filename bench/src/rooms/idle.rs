//! Measures what thousands of viewers cost, each in a room of its own: the memory of an idle viewer with its
//! identity, and the processor time of a connect. Then few lines are written into random rooms, and each line
//! must reach exactly one viewer.

use std::time::Duration;

use tokio::time::sleep;

use super::delay;
use super::house::{House, Lines};
use super::plan::Plan;
use crate::audience::{Audience, Pace};
use crate::crowd::Keep;
use crate::events::MARK;
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

/// The databases of the rounds. In each round, the rooms have no lines at the start.
const DATABASES: [&str; 3] = ["rooms_idle_1", "rooms_idle_2", "rooms_idle_3"];
/// The number of lines per second. Each line is a statement of its own.
const RATE: u32 = 100;
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
    let (mut figures, mut written) = (Figures::default(), 0);
    for (name, round) in DATABASES.into_iter().zip(1..=plan.rounds) {
        let database = stack.database(name).await?;
        let client = database.connect().await?;
        // The last room is for the delay of a line, and has no other viewer.
        let house = House::open(&client, viewers + 1).await?;
        let lines = Lines::prepare(&client).await?;
        let gateway = stack.private_gateway(&database).await?;
        sleep(plan.settle.min(Duration::from_secs(3))).await;
        let before = kib(gateway.pid(), "VmRSS")?;
        let meter = Meter::start(&[gateway.watched(), stack.watched()]);
        let subscriptions = house.viewers(viewers, Keep::Numbers);
        let mut audience = Audience::connect(gateway.address, subscriptions, viewers, MARK, lines).await?;
        sleep(PAUSE).await;
        figures.microseconds_each.push(meter.seconds(gateway.pid()) * 1e6 / viewers as f64);
        figures.connecting = meter.text();
        sleep(plan.settle).await;
        figures.kib_each.push((kib(gateway.pid(), "VmRSS")? - before) / viewers as f64);
        report.progress(format_args!("round {round} of {}: {viewers} viewers are connected", plan.rounds));

        let meter = Meter::start(&[gateway.watched(), stack.watched()]);
        let at = Pace::Fixed { batch: 1, batches_per_second: RATE };
        let sent = audience.write(at, plan.turn).await?;
        figures.lines = meter.text();
        if round == plan.rounds {
            let who = format!("{viewers} other viewers are connected");
            delay::posts(&house, viewers, plan).rows(stack, &gateway, &who, report).await?;
        }
        figures.frames.push(audience.finish()? as f64 / sent as f64);
        written += sent;
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
        "{written} lines were written into random rooms; each line reached the viewer of its room once, in \
         order, and no other viewer"
    ));
    report.note("each viewer has a token of its own, and each room may be read by its owner only");
    Ok(())
}
