//! Measures a gateway with thousands of topics, each with one subscriber: the processor time per line, and
//! the memory per subscriber.
//!
//! The gateway must be built with its test stream, which has the channels `test:{id}`. The command `cargo
//! build --release --workspace` includes this stream. The gateway serves the stream only if `TEST_STREAM` is
//! set.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;
use tokio_postgres::{Client, Statement};

use crate::crowd::{Crowd, Keep, Subscription};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::service::Service;
use crate::stack::Stack;

/// The number of topics of the first gateway.
const FEW: usize = 100;
/// The number of topics of the second gateway in a full run.
const MANY: usize = 10_000;
/// The number of lines per statement.
const LINES: usize = 10;
/// The number of statements per second.
const STATEMENTS: u32 = 100;
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);

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

/// A gateway, and a crowd with one subscriber for each topic.
struct TopicGateway {
    gateway: Service,
    client: Client,
    insert: Statement,
    crowd: Crowd,
    topics: usize,
    sent: u64,
    /// The memory per subscriber, in KiB.
    kib_each: f64,
    random: u64,
}

impl TopicGateway {
    async fn start(
        stack: &Stack,
        name: &'static str,
        topics: usize,
        settle: Duration,
    ) -> anyhow::Result<Self> {
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
        sleep(settle.min(Duration::from_secs(3))).await;
        let before = kib(gateway.pid(), "VmRSS")?;
        let path = |topic| format!("/api/v1/test/{topic}/lines?user=user-{topic}");
        let subscription = |topic| Subscription { path: path(topic), keep: Keep::Count };
        let subscriptions = (0..topics).map(subscription).collect();
        let crowd = Crowd::connect(gateway.address, subscriptions).await?;
        sleep(settle).await;
        let kib_each = (kib(gateway.pid(), "VmRSS")? - before) / topics as f64;
        Ok(Self { gateway, client, insert, crowd, topics, sent: 0, kib_each, random: 1 })
    }

    /// Sends lines to random topics for `time`, and waits until all lines have arrived.
    async fn lines(&mut self, time: Duration) -> anyhow::Result<()> {
        let text = "a line of a log, as long as most of them are: step 7 of 12 took 1.4 s";
        let began = Instant::now();
        let mut statements = 0;
        while began.elapsed() < time {
            let ids: Vec<String> = (0..LINES).map(|_| self.topic().to_string()).collect();
            self.client.execute(&self.insert, &[&ids, &text]).await?;
            self.sent += LINES as u64;
            statements += 1;
            let due = Duration::from_secs(1) * statements / STATEMENTS;
            sleep(due.saturating_sub(began.elapsed())).await;
        }
        self.crowd.until(self.sent, ARRIVE_WITHIN).await
    }

    /// Measures how many processors the gateway uses while lines are sent, minus the processors that it uses
    /// while no lines are sent.
    async fn cost(&mut self, turn: Duration) -> anyhow::Result<f64> {
        let pid = self.gateway.pid();
        let meter = Meter::start(&[self.gateway.watched()]);
        sleep(turn).await;
        let idle = meter.seconds(pid);
        let meter = Meter::start(&[self.gateway.watched()]);
        self.lines(turn).await?;
        Ok((meter.seconds(pid) - idle) / turn.as_secs_f64())
    }

    /// Chooses a random topic. A linear congruential generator is random enough, and gives the same topics in
    /// each run.
    fn topic(&mut self) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % self.topics
    }
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("topics");
    let settle = plan.settle.min(Duration::from_secs(3));
    let mut few = TopicGateway::start(stack, "topics_few", FEW, settle).await?;
    let mut many = TopicGateway::start(stack, "topics_many", plan.many, plan.settle).await?;
    report.progress(format_args!("{} subscribers are connected", FEW + plan.many));
    let (mut costs_few, mut costs_many) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        costs_few.push(few.cost(plan.turn).await?);
        costs_many.push(many.cost(plan.turn).await?);
        report.progress(format_args!("round {round} of {}", plan.rounds));
    }
    let rate = LINES as u32 * STATEMENTS;
    for (topics, costs) in [(FEW, &costs_few), (plan.many, &costs_many)] {
        let what = format!("{topics} topics, {rate} lines/s: processors used for the lines");
        report.row(Row::of(what, "", &Samples::new(costs.clone())));
    }
    report.row(
        Row::ratio("ratio: processor time of a line, many topics / few topics", &costs_many, &costs_few)
            .bar(Bar::AtMost(1.2)),
    );
    let each = format!("memory per idle subscriber, {} topics with one subscriber each", plan.many);
    report.row(Row::single(each, "KiB", many.kib_each).bar(Bar::AtMost(7.0)));

    let before = kib(many.gateway.pid(), "VmRSS")?;
    many.lines(plan.long).await?;
    let after = kib(many.gateway.pid(), "VmRSS")?;
    let what = format!("memory growth of the gateway while lines are sent for {} s", plan.long.as_secs());
    report.row(Row::single(what, "MiB", (after - before) / 1_024.0).bar(Bar::AtMost(40.0)));
    for tested in [few, many] {
        ensure!(tested.crowd.closed() == 0, "the gateway closed {} subscribers", tested.crowd.closed());
        report
            .note(format!("{} topics: all {} lines arrived at the subscribers", tested.topics, tested.sent));
        drop(tested.crowd);
        report.notes(tested.gateway.stop().await?);
    }
    Ok(report)
}
