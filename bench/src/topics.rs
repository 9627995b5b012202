//! Measures a gateway with thousands of topics, each with one subscriber: the processor time per line, and
//! the memory per subscriber.
//!
//! The gateway must be built with its test stream, which has the channels `test:{id}`. The command `cargo
//! build --release --workspace` includes this stream. The gateway serves the stream only if `TEST_STREAM` is
//! set.

use std::time::Duration;

use tokio_postgres::{Client, Statement};

use crate::audience::{Gateway, Pace, Writer};
use crate::crowd::{Keep, Subscription};
use crate::draw::Item;
use crate::events::MARK;
use crate::processes::kib;
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

/// The number of topics of the first gateway.
const FEW: usize = 100;
/// The number of topics of the second gateway in a full run.
const MANY: usize = 10_000;
/// The number of lines per second is 1,000: 100 statements of 10 lines each.
const PACE: Pace = Pace::Fixed { batch: 10, batches_per_second: 100 };

/// The size of the scenario, and the length of its parts.
struct Plan {
    many: usize,
    rounds: usize,
    /// The length of a turn. In each round, a gateway gets no lines in the first turn, but gets lines in the
    /// second turn.
    turn: Duration,
    /// How long lines are sent while the growth of the memory is measured.
    long: Duration,
    /// The pause between connecting the clients and reading the memory.
    settle: Duration,
}

impl Plan {
    fn new(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        if quick {
            Self { many: 500, rounds: 1, turn: seconds(2), long: seconds(5), settle: seconds(1) }
        } else {
            // Heartbeats are 30 s apart. So each client gets one heartbeat in each turn with lines, in each
            // turn without lines, and in the pause `settle`.
            Self { many: MANY, rounds: 3, turn: seconds(30), long: seconds(300), settle: seconds(32) }
        }
    }
}

/// Writes lines of the test stream in one database session.
struct Lines {
    client: Client,
    insert: Statement,
}

impl Writer for Lines {
    async fn write(&mut self, lines: &[Item]) -> anyhow::Result<()> {
        let text = "a line of a log, as long as most of them are: step 7 of 12 took 1.4 s";
        let ids: Vec<String> = lines.iter().map(|(topic, _)| topic.to_string()).collect();
        self.client.execute(&self.insert, &[&ids, &text]).await?;
        Ok(())
    }
}

/// Starts a gateway, and connects one subscriber for each topic.
async fn start(
    stack: &Stack,
    name: &'static str,
    topics: usize,
    settle: Duration,
) -> anyhow::Result<Gateway<Lines>> {
    let database = stack.database(name).await?;
    let gateway = stack.gateway_with(&database, &[("TEST_STREAM", "true")]).await?;
    let client = database.connect().await?;
    let insert = client
        .prepare(
            "INSERT INTO public.oasis_events \
               (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
             SELECT clock_timestamp(), 'BENCH-LINES-0001', 'LINES', 'CORE', 'oasis.events', \
               'log', 'info', 'LINES-CORE-LOG', 'vt/BENCH-LINES-0001-log', 'test:' || id, \
               jsonb_build_object('text', $2::text) \
             FROM unnest($1::text[]) AS id",
        )
        .await?;
    let path = |topic| format!("/api/v1/test/{topic}/lines?user=user-{topic}");
    let subscription = |topic| Subscription { path: path(topic), keep: Keep::Count };
    let subscriptions = (0..topics).map(subscription).collect();
    Gateway::connect(gateway, subscriptions, topics, MARK, Lines { client, insert }, settle).await
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("topics");
    let settle = plan.settle.min(Duration::from_secs(3));
    let mut few = start(stack, "topics_few", FEW, settle).await?;
    let mut many = start(stack, "topics_many", plan.many, plan.settle).await?;
    report.progress(format_args!("{} subscribers are connected", FEW + plan.many));
    let (mut costs_few, mut costs_many) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        for (gateway, costs) in [(&mut few, &mut costs_few), (&mut many, &mut costs_many)] {
            let cost = gateway.cost(PACE, plan.turn, stack.watched()).await?;
            costs.push(cost.seconds / plan.turn.as_secs_f64());
        }
        report.progress(format_args!("round {round} of {}", plan.rounds));
    }
    let rate = PACE.text("lines");
    for (topics, costs) in [(FEW, &costs_few), (plan.many, &costs_many)] {
        let what = format!("{topics} topics, {rate}: processors used for the lines");
        report.row(Row::of(what, "", &Samples::new(costs.clone())));
    }
    report.row(
        Row::ratio("ratio: processor time of a line, many topics / few topics", &costs_many, &costs_few)
            .bar(Bar::AtMost(1.2)),
    );
    let each = format!("memory per idle subscriber, {} topics with one subscriber each", plan.many);
    report.row(Row::single(each, "KiB", many.kib_each).bar(Bar::AtMost(7.0)));

    let before = kib(many.service.pid(), "VmRSS")?;
    many.audience.write(PACE, plan.long).await?;
    let after = kib(many.service.pid(), "VmRSS")?;
    let what = format!("memory growth of the gateway while lines are sent for {} s", plan.long.as_secs());
    report.row(Row::single(what, "MiB", (after - before) / 1_024.0).bar(Bar::AtMost(40.0)));
    for (gateway, topics) in [(few, FEW), (many, plan.many)] {
        let sent = gateway.audience.items();
        gateway.audience.finish()?;
        report.note(format!("{topics} topics: all {sent} lines arrived at the subscribers"));
        report.notes(gateway.service.stop().await?);
    }
    Ok(report)
}
