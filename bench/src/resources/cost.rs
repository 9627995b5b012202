//! Measures a gateway with thousands of clients, ten for each workload: the processor time of an event, the
//! memory per idle client, and the frames per event. A smaller gateway has a tenth of the clients and of the
//! workloads. So an event has the same number of readers on both gateways.

use std::time::Duration;

use tokio_postgres::Client;

use super::delay;
use super::plan::{CLIENTS_PER_WORKLOAD, Plan};
use super::workloads::{EVENT, Events, Workloads};
use crate::audience::{Gateway, Pace};
use crate::crowd::Keep;
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::{Database, Stack};

/// The number of events per second. Each event is a statement of its own.
const RATE: u32 = 200;
const PACE: Pace = Pace::Fixed { batch: 1, batches_per_second: RATE };

/// The database of one gateway, and the workloads that its clients follow.
struct Side {
    database: Database,
    client: Client,
    workloads: Workloads,
}

/// The figures of one gateway, with one value per round.
#[derive(Default)]
struct Figures {
    microseconds: Vec<f64>,
    kib_each: Vec<f64>,
    frames: Vec<f64>,
    events: u64,
    cpu: String,
}

impl Side {
    async fn new(stack: &Stack, name: &'static str, workloads: usize) -> anyhow::Result<Self> {
        let database = stack.database(name).await?;
        let client = database.connect().await?;
        // The last workload is for the delay of an event, and has no other clients. Each workload has one
        // earlier event.
        Events::prepare(&client).await?.history(workloads + 1, workloads + 1).await?;
        let workloads = Workloads::new(workloads, workloads * CLIENTS_PER_WORKLOAD)?;
        Ok(Self { database, client, workloads })
    }

    /// Starts a gateway, and connects its clients.
    async fn connect(&self, stack: &Stack, settle: Duration) -> anyhow::Result<Gateway<Events<'_>>> {
        let gateway = stack.private_gateway(&self.database).await?;
        let (clients, count) = (self.workloads.clients(Keep::Numbers), self.workloads.count);
        let events = Events::prepare(&self.client).await?;
        Gateway::connect(gateway, clients, count, EVENT, events, settle).await
    }

    fn text(&self) -> String {
        let count = self.workloads.count;
        format!("{} clients on {count} workloads", count * CLIENTS_PER_WORKLOAD)
    }
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let few = Side::new(stack, "resources_few", plan.few).await?;
    let many = Side::new(stack, "resources_many", plan.many).await?;
    let mut figures = [Figures::default(), Figures::default()];
    for round in 1..=plan.rounds {
        let mut gateways = [
            few.connect(stack, plan.settle.min(Duration::from_secs(3))).await?,
            many.connect(stack, plan.settle).await?,
        ];
        report.progress(format_args!("cost: round {round} of {}: the clients are connected", plan.rounds));
        for (gateway, figures) in gateways.iter_mut().zip(&mut figures) {
            let cost = gateway.cost(PACE, plan.turn, stack.watched()).await?;
            figures.microseconds.push(cost.seconds * 1e6 / cost.items as f64);
            figures.kib_each.push(gateway.kib_each);
            figures.cpu = cost.cpu;
        }
        if round == plan.rounds {
            let who = format!("{} other clients are connected", plan.many * CLIENTS_PER_WORKLOAD);
            let posts = delay::posts(plan.many, many.workloads.path(plan.many, 0), plan);
            posts.rows(stack, &gateways[1].service, &who, report).await?;
        }
        for (gateway, figures) in gateways.into_iter().zip(&mut figures) {
            let events = gateway.audience.items();
            figures.frames.push(gateway.audience.finish()? as f64 / events as f64);
            figures.events += events;
            report.notes(gateway.service.stop().await?);
        }
    }
    rows(report, [&few, &many], &figures);
    Ok(())
}

fn rows(report: &mut Report, sides: [&Side; 2], figures: &[Figures; 2]) {
    for (side, Figures { microseconds, cpu, .. }) in sides.into_iter().zip(figures) {
        let what = format!("processor time of the gateway per event, {}", side.text());
        report.row(Row::of(what, "µs", &Samples::new(microseconds.clone())).cpu(cpu.clone()));
    }
    let [few, many] = figures;
    let what = "ratio: processor time of an event, many clients / few clients";
    report.row(Row::ratio(what, &many.microseconds, &few.microseconds).bar(Bar::AtMost(1.2)));
    let what = format!("memory per idle client, {}", sides[1].text());
    report.row(Row::of(what, "KiB", &Samples::new(many.kib_each.clone())).bar(Bar::AtMost(7.5)));
    let what = format!("frames per event, {CLIENTS_PER_WORKLOAD} clients per workload");
    let frames = Row::of(what, "", &Samples::new(many.frames.clone()));
    report.row(frames.bar(Bar::AtMost(CLIENTS_PER_WORKLOAD as f64)));
    report.note(format!(
        "cost: {RATE} events/s to random workloads, each event in a statement of its own; the processor time \
         that the gateway uses while no events are written is subtracted; each client has a token of its own"
    ));
    report.note(format!(
        "cost: {} and {} events were written; each event reached the clients of its workload once, in order, \
         and no other client",
        few.events, many.events
    ));
}
