//! Signed deliveries on 64 connections: ours beside Express's, on the same PostgreSQL, taking turns; and how
//! late a feed is that polls.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_postgres::Client;

use crate::delivery::Deliveries;
use crate::load::{self, CONNECTIONS, Load};
use crate::peers::express;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::Stack;

const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// Clients of the feed that polls, and events for them.
const FOLLOWERS: usize = 100;
const EVERY: Duration = Duration::from_millis(190);

/// One server's figures, a round each.
#[derive(Default)]
struct Figures {
    rate: Vec<f64>,
    p99: Vec<f64>,
    by_server: Vec<f64>,
    by_both: Vec<f64>,
    cpu: String,
}

impl Figures {
    fn add(&mut self, load: Load) {
        let [server, postgres] = load.seconds[..] else { return };
        self.rate.push(load.rate);
        self.p99.push(load.p99);
        self.by_server.push(load.stored as f64 / server);
        self.by_both.push(load.stored as f64 / (server + postgres));
        self.cpu = load.cpu;
    }

    fn rows(&self, report: &mut Report, who: &str) {
        let row = |what: &str, unit, values: &[f64]| {
            Row::of(format!("{who}: {what}"), unit, &Samples::new(values.to_vec()))
        };
        report.row(row("deliveries", "/s", &self.rate).cpu(self.cpu.clone()));
        report.row(row("deliveries for each CPU second of the server", "", &self.by_server));
        report.row(row("the same with PostgreSQL's CPU", "", &self.by_both));
        report.row(row("answer, p99", "ms", &self.p99));
    }
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (rounds, time) = if quick { (1, 2) } else { (3, 10) };
    let time = Duration::from_secs(time);
    let mut report = Report::new("webhooks");
    let database = stack.database("webhooks").await?;
    let client = database.connect().await?;
    let mut deliveries = Deliveries::new()?;
    let webhooks = stack.webhooks(&database).await?;
    let express = match express::start(stack, &database).await? {
        Ok(express) => Some(express),
        Err(why) => {
            report.missing(express::NAME, why);
            None
        }
    };

    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    // The first is to warm up: Node compiles what it runs often.
    for round in 0..=rounds {
        let time = if round == 0 { Duration::from_secs(2).min(time) } else { time };
        let before = rows::count(&client).await?;
        let load = post(stack, &client, &webhooks, &mut deliveries, time).await?;
        load.ensure_stored(rows::count(&client).await? - before)?;
        report.progress(format_args!("round {round}: {:.0} deliveries/s", load.rate));
        if round > 0 {
            ours.add(load);
        }
        let Some(express) = &express else { continue };
        let before = express::count(&client).await?;
        let load = post(stack, &client, express, &mut deliveries, time).await?;
        load.ensure_stored(express::count(&client).await? - before)?;
        report.progress(format_args!("round {round}: {:.0} deliveries/s by Express", load.rate));
        if round > 0 {
            theirs.add(load);
        }
    }
    ours.rows(&mut report, "webhook-ingest");
    report.note(format!(
        "{rounds} rounds in turns, {CONNECTIONS} connections, deliveries of {} bytes for {} s each, every \
         one committed and counted; a checkpoint before each",
        Deliveries::body_length(),
        time.as_secs()
    ));
    if let Some(express) = express {
        theirs.rows(&mut report, express::NAME);
        report.row(
            Row::ratio("deliveries, ours to Express's", &ours.rate, &theirs.rate).bar(Bar::AtLeast(2.0)),
        );
        report.row(
            Row::ratio(
                "for each CPU second of the server, ours to Express's",
                &ours.by_server,
                &theirs.by_server,
            )
            .bar(Bar::AtLeast(5.0)),
        );
        report.row(Row::ratio("the same with PostgreSQL's CPU", &ours.by_both, &theirs.by_both));
        report.note(format!(
            "{}: one process, NODE_ENV=production, a pool of 10 connections with named statements; into a \
             table with {}",
            express::NAME,
            express::TABLE_SAID
        ));
        // Sessions tell PostgreSQL what they have done when they end, if not before.
        report.notes(express.stop().await?);
        match express::start(stack, &database).await? {
            Ok(express) => {
                polling(&mut report, &client, &express, stack, quick).await?;
                report.notes(express.stop().await?);
            }
            Err(why) => report.missing(express::NAME, why),
        }
    }
    report.notes(webhooks.stop().await?);
    Ok(report)
}

async fn post(
    stack: &Stack,
    client: &Client,
    server: &Service,
    deliveries: &mut Deliveries,
    time: Duration,
) -> anyhow::Result<Load> {
    client.batch_execute("CHECKPOINT").await?;
    let watched = [server.watched(), stack.watched()];
    load::drive(server.address, 200, time, &watched, deliveries.for_load(server.address, time)).await
}

/// What a feed costs and how late it is whose clients each ask every 2 seconds.
async fn polling(
    report: &mut Report,
    client: &Client,
    express: &Service,
    stack: &Stack,
    quick: bool,
) -> anyhow::Result<()> {
    let events = if quick { 10 } else { 100 };
    let mut feeds = Vec::new();
    for _ in 0..FOLLOWERS {
        feeds.push(Feed::open(express.address).await?);
        // So that their clocks don't all tick at once.
        sleep(Duration::from_millis(20)).await;
    }
    let statement = client
        .prepare(
            "INSERT INTO bench_express \
                    (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
             VALUES (now(), 'DEV-POLL-0001', 'POLL', 'CORE', 'oasis.events', 'event', 'info', \
                     'POLL-CORE-EVENT', 'vt/DEV-POLL-0001-event', 'devhub', '{}') RETURNING id",
        )
        .await?;
    let mut committed: BTreeMap<i64, Instant> = BTreeMap::new();
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let before = transactions(client).await?;
    let meter = Meter::start(&[express.watched(), stack.watched()]);
    let began = Instant::now();
    for _ in 0..events {
        pace.tick().await;
        let id: i64 = client.query_one(&statement, &[]).await?.get(0);
        committed.insert(id, Instant::now());
    }
    let mut delays = Vec::new();
    for feed in &mut feeds {
        for (expected, committed) in &committed {
            let (id, at) = feed.next(ARRIVES_WITHIN).await?;
            ensure!(id == *expected, "Express's feed showed event {id}, {expected} was the next");
            delays.push(at.saturating_duration_since(*committed).as_secs_f64() * 1_000.0);
        }
    }
    let (cpu, took) = (meter.text(), began.elapsed().as_secs_f64());
    // Our own are not the feed's.
    let asked = transactions(client).await? - before - i64::from(events);
    let delays = Samples::new(delays);
    report.row(
        Row::of(format!("{}: commit to frame, {FOLLOWERS} clients that poll", express::NAME), "ms", &delays)
            .cpu(cpu),
    );
    report.row(Row::single(format!("{}: the same, p99", express::NAME), "ms", delays.quantile(0.99)));
    report.row(Row::single(format!("{}: statements of that feed", express::NAME), "/s", asked as f64 / took));
    Ok(())
}

/// Committed in this database so far; each of the peer's statements is one.
async fn transactions(client: &Client) -> anyhow::Result<i64> {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    Ok(client.query_one(sql, &[]).await?.get(0))
}
