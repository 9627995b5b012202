//! Compares webhook-ingest with Express. Both store signed deliveries from 64 connections in the same
//! PostgreSQL, in alternating rounds. Also measures the delay of Express's feed, which polls the database.

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
/// The number of clients of Express's feed.
const FOLLOWERS: usize = 100;
/// The time between two events that these clients get.
const EVERY: Duration = Duration::from_millis(190);

/// The figures of one server, with one value per round.
#[derive(Default)]
struct Figures {
    rate: Vec<f64>,
    p99: Vec<f64>,
    /// The deliveries per processor second of the server.
    by_server: Vec<f64>,
    /// The deliveries per processor second of the server and PostgreSQL together.
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
        report.row(row("deliveries stored", "/s", &self.rate).cpu(self.cpu.clone()));
        report.row(row("deliveries per CPU second of the server", "", &self.by_server));
        report.row(row("deliveries per CPU second of the server and PostgreSQL", "", &self.by_both));
        report.row(row("answer time, p99", "ms", &self.p99));
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
    // Round 0 is a warm-up and is not counted, because Node compiles a function only after the function has
    // run many times.
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
        "{rounds} alternating rounds of {} s on {CONNECTIONS} connections; a checkpoint runs before each \
         part of a round",
        time.as_secs()
    ));
    report.note(format!(
        "a delivery is {} bytes long; the table contains every delivery that was acknowledged",
        Deliveries::body_length()
    ));
    if let Some(express) = express {
        theirs.rows(&mut report, express::NAME);
        let ratio = Row::ratio("ratio to Express: deliveries stored", &ours.rate, &theirs.rate);
        report.row(ratio.bar(Bar::AtLeast(2.0)));
        let what = "ratio to Express: deliveries per CPU second of the server";
        let ratio = Row::ratio(what, &ours.by_server, &theirs.by_server);
        report.row(ratio.bar(Bar::AtLeast(5.0)));
        let what = "ratio to Express: deliveries per CPU second of the server and PostgreSQL";
        report.row(Row::ratio(what, &ours.by_both, &theirs.by_both));
        report.note(format!(
            "{}: one process with NODE_ENV=production and a pool of 10 connections with named statements",
            express::NAME
        ));
        report.note(format!("{}: {}", express::NAME, express::TABLE_IN_WORDS));
        // PostgreSQL sometimes does not count the statements of a session until the session ends. So Express
        // is restarted before its polls are counted.
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

/// Measures the delay, the processor time and the number of statements of Express's feed. Express queries the
/// table every 2 seconds for each client.
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
        // Because of this pause, Express polls for the clients at different times.
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
            ensure!(id == *expected, "Express's feed showed event {id} instead of {expected}");
            delays.push(at.saturating_duration_since(*committed).as_secs_f64() * 1_000.0);
        }
    }
    let (cpu, took) = (meter.text(), began.elapsed().as_secs_f64());
    // The bench's own INSERTs are not counted.
    let polls = transactions(client).await? - before - i64::from(events);
    let delays = Samples::new(delays);
    let what = format!("{}: delay from commit to frame, {FOLLOWERS} clients", express::NAME);
    report.row(Row::of(what.as_str(), "ms", &delays).cpu(cpu));
    report.row(Row::single(format!("{what}, p99"), "ms", delays.quantile(0.99)));
    let what = format!("{}: statements that the feed sends", express::NAME);
    report.row(Row::single(what, "/s", polls as f64 / took));
    Ok(())
}

/// The number of transactions that were committed in this database. Each statement of Express is one
/// transaction.
async fn transactions(client: &Client) -> anyhow::Result<i64> {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    Ok(client.query_one(sql, &[]).await?.get(0))
}
