//! Measures the processor time of a connect to a room that has earlier lines. The first viewer of a room gets
//! these lines from the table, because the gateway has no lines of the room in memory. The second viewer may
//! get them from the gateway's memory.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::sleep;

use super::house::{House, LINE, Lines};
use super::plan::Plan;
use crate::crowd::{Crowd, Keep};
use crate::draw::Item;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

/// The number of earlier lines of each room.
const EARLIER: u64 = 10;
/// The number of rooms per statement.
const AT_ONCE: usize = 100;
const ARRIVE_WITHIN: Duration = Duration::from_secs(60);

/// The processor time per connect in microseconds, with one value per round.
#[derive(Default)]
struct Costs {
    each: Vec<f64>,
    cpu: String,
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let rooms = plan.viewers / 2;
    let database = stack.database("rooms_connects").await?;
    let client = database.connect().await?;
    let house = House::open(&client, rooms).await?;
    let lines = Lines::prepare(&client).await?;
    let all: Vec<usize> = (0..rooms).collect();
    for some in all.chunks(AT_ONCE) {
        let batch: Vec<Item> =
            (0..EARLIER).flat_map(|nth| some.iter().map(move |room| (*room, nth))).collect();
        lines.insert(&batch).await?;
    }
    client.batch_execute("VACUUM (ANALYZE)").await?;
    let (mut first, mut second) = (Costs::default(), Costs::default());
    for round in 1..=plan.rounds {
        let gateway = stack.private_gateway(&database).await?;
        sleep(plan.settle.min(Duration::from_secs(3))).await;
        let mut crowds = Vec::new();
        for costs in [&mut first, &mut second] {
            let meter = Meter::start(&[gateway.watched(), stack.watched()]);
            let viewers = house.viewers(rooms, Keep::Count);
            let crowd = Crowd::connect_counting(gateway.address, viewers, LINE).await?;
            crowd.until(rooms as u64 * EARLIER, ARRIVE_WITHIN).await?;
            costs.each.push(meter.seconds(gateway.pid()) * 1e6 / rooms as f64);
            costs.cpu = meter.text();
            crowds.push(crowd);
        }
        for crowd in &mut crowds {
            ensure!(crowd.closed() == 0, "the gateway closed {} viewers", crowd.closed());
            let got = crowd.finish()?;
            let wrong = got.iter().filter(|viewer| viewer.events != EARLIER).count();
            ensure!(wrong == 0, "{wrong} viewers did not get the {EARLIER} earlier lines once");
        }
        report.progress(format_args!("connects: round {round} of {}", plan.rounds));
        report.notes(gateway.stop().await?);
    }
    for (who, Costs { each, cpu }) in [
        ("first viewer of each room, which gets 10 lines from the table", first),
        ("second viewer of each room, which gets the same lines", second),
    ] {
        let row =
            Row::of(format!("processor time of the gateway per connect, {who}"), "µs", &Samples::new(each));
        report.row(row.bar(Bar::AtMost(150.0)).cpu(cpu));
    }
    report.note(format!(
        "the first and the second viewers connect to {rooms} rooms, on a new gateway each round"
    ));
    Ok(())
}
