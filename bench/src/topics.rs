//! Thousands of topics with one subscriber each: what a line into one of them costs, and what they take.
//!
//! The gateway is built with its test stream, whose channels are `test:{id}` (`cargo build --release
//! --workspace` does so; the stream is served only where `TEST_STREAM` says so).

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;
use tokio_postgres::{Client, Statement};

use crate::crowd::{Ask, Crowd, Keep};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::service::Service;
use crate::stack::Stack;

/// Topics of the two gateways.
const FEW: usize = 100;
const MANY: usize = 10_000;
/// Lines of one statement, and statements a second.
const LINES: usize = 10;
const STATEMENTS: u32 = 100;
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);

/// How large, and how long.
struct Plan {
    many: usize,
    rounds: usize,
    turn: Duration,
    long: Duration,
    settle: Duration,
}

impl Plan {
    fn new(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        if quick {
            Self { many: 500, rounds: 1, turn: seconds(2), long: seconds(5), settle: seconds(1) }
        } else {
            // A turn has one heartbeat of each client, with lines and without; the settling has one, too.
            Self { many: MANY, rounds: 3, turn: seconds(30), long: seconds(300), settle: seconds(32) }
        }
    }
}

/// One gateway with a crowd of a subscriber for each topic.
struct Side {
    gateway: Service,
    client: Client,
    insert: Statement,
    crowd: Crowd,
    topics: usize,
    sent: u64,
    /// Memory for each subscriber, in KiB.
    each: f64,
    random: u64,
}

impl Side {
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
        let asks = (0..topics).map(|topic| Ask { path: path(topic), keep: Keep::Count }).collect();
        let crowd = Crowd::connect(gateway.address, asks).await?;
        sleep(settle).await;
        let each = (kib(gateway.pid(), "VmRSS")? - before) / topics as f64;
        Ok(Self { gateway, client, insert, crowd, topics, sent: 0, each, random: 1 })
    }

    /// Sends lines into random topics for so long, and waits until they have all arrived.
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

    /// Processor seconds of the gateway for a second of lines, less those of a second without.
    async fn cost(&mut self, turn: Duration) -> anyhow::Result<f64> {
        let pid = self.gateway.pid();
        let meter = Meter::start(&[self.gateway.watched()]);
        sleep(turn).await;
        let idle = meter.seconds(pid);
        let meter = Meter::start(&[self.gateway.watched()]);
        self.lines(turn).await?;
        Ok((meter.seconds(pid) - idle) / turn.as_secs_f64())
    }

    /// Any topic: a linear congruence is random enough, and the same each time.
    fn topic(&mut self) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % self.topics
    }
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("topics");
    let mut few = Side::start(stack, "topics_few", FEW, plan.settle.min(Duration::from_secs(3))).await?;
    let mut many = Side::start(stack, "topics_many", plan.many, plan.settle).await?;
    report.progress(format_args!("{} subscribers are connected", FEW + plan.many));
    let (mut costs_few, mut costs_many) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        costs_few.push(few.cost(plan.turn).await?);
        costs_many.push(many.cost(plan.turn).await?);
        report.progress(format_args!("round {round} of {}", plan.rounds));
    }
    let rate = LINES as u32 * STATEMENTS;
    for (topics, costs) in [(FEW, &costs_few), (plan.many, &costs_many)] {
        let what = format!("{topics} topics, {rate} lines/s: processors for the lines");
        report.row(Row::of(what, "", &Samples::new(costs.clone())));
    }
    report.row(
        Row::ratio("a line among many topics for one among few", &costs_many, &costs_few)
            .bar(Bar::AtMost(1.2)),
    );
    let each = format!("each idle subscriber of a topic of its own, of {}", plan.many);
    report.row(Row::single(each, "KiB", many.each).bar(Bar::AtMost(7.0)));

    let before = kib(many.gateway.pid(), "VmRSS")?;
    many.lines(plan.long).await?;
    let after = kib(many.gateway.pid(), "VmRSS")?;
    let what = format!("growth of the gateway over {} s of lines", plan.long.as_secs());
    report.row(Row::single(what, "MiB", (after - before) / 1_024.0).bar(Bar::AtMost(40.0)));
    for side in [few, many] {
        ensure!(side.crowd.closed() == 0, "{} subscribers were closed", side.crowd.closed());
        report.note(format!(
            "{} topics: all {} lines arrived, each at its topic's subscriber",
            side.topics, side.sent
        ));
        drop(side.crowd);
        report.notes(side.gateway.stop().await?);
    }
    Ok(report)
}
