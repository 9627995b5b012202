//! Measures how many signed deliveries a second webhook-ingest stores on 64 connections. For comparison,
//! alternating rounds insert the same rows one by one on one connection, as fast as PostgreSQL accepts rows.

use std::time::Duration;

use anyhow::ensure;
use tokio_postgres::Client;

use crate::delivery::Deliveries;
use crate::load::{self, Load};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows::{self, Target, Template};
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::{GATEWAY, Stack};

const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

struct Plan {
    rounds: usize,
    deliveries: Duration,
    inserts: Duration,
}

#[derive(Default)]
struct Figures {
    deliveries: Vec<f64>,
    p99: Vec<f64>,
    table: Vec<f64>,
    bare: Vec<f64>,
    cpu: [String; 3],
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let seconds = Duration::from_secs;
    let plan = if quick {
        Plan { rounds: 1, deliveries: seconds(2), inserts: seconds(1) }
    } else {
        Plan { rounds: 3, deliveries: seconds(10), inserts: seconds(5) }
    };
    let mut report = Report::new("throughput");
    let database = stack.database("throughput").await?;
    let client = database.connect().await?;
    rows::make_bare(&client).await?;
    let mut deliveries = Deliveries::new()?;
    let mut keys = 0;

    let webhooks = stack.webhooks(&database).await?;
    post(&webhooks, &mut deliveries, seconds(1), &[]).await?;
    let template = Template::last(&client).await?;
    let watched = [webhooks.watched(), stack.watched()];
    let alone =
        rounds(&plan, &client, &webhooks, &mut deliveries, (&template, &mut keys), &watched, &report).await?;
    report.row(rate("deliveries stored, 64 connections", &alone.deliveries, &alone.cpu[0]));
    report.row(rate("single-row INSERTs into the table, 1 connection", &alone.table, &alone.cpu[1]));
    report.row(
        Row::ratio("ratio: deliveries / INSERTs into the table", &alone.deliveries, &alone.table)
            .bar(Bar::MoreThan(1.0)),
    );
    report.row(rate("single-row INSERTs into a bare table, 1 connection", &alone.bare, &alone.cpu[2]));
    report.row(Row::ratio("ratio: deliveries / INSERTs into a bare table", &alone.deliveries, &alone.bare));
    report.row(Row::of("answer time, 64 connections, p99", "ms", &Samples::new(alone.p99)));

    let gateway = stack.gateway(&database).await?;
    let mut feed = Feed::open(gateway.address).await?;
    let before = rows::count(&client).await?;
    let watched = [webhooks.watched(), gateway.watched(), stack.watched()];
    let followed =
        rounds(&plan, &client, &webhooks, &mut deliveries, (&template, &mut keys), &watched, &report).await?;
    let what = "deliveries stored, with a gateway and one client";
    report.row(rate(what, &followed.deliveries, &followed.cpu[0]));
    report.row(rate("single-row INSERTs, with a gateway and one client", &followed.table, &followed.cpu[1]));
    report.row(Row::ratio(
        "ratio: deliveries / INSERTs, with a gateway and one client",
        &followed.deliveries,
        &followed.table,
    ));

    let stored = rows::count(&client).await? - before;
    // A new client first receives the last 20 events.
    let mut last = 0;
    for _ in 0..stored + 20 {
        let (id, _) = feed.next(ARRIVES_WITHIN).await?;
        ensure!(id > last, "the feed showed event {id} after event {last}");
        last = id;
    }
    report.note(format!(
        "{} rounds: deliveries of {} bytes for {} s, then INSERTs into each table for {} s; a checkpoint \
         runs before each part of a round",
        plan.rounds,
        Deliveries::body_length(),
        plan.deliveries.as_secs(),
        plan.inserts.as_secs()
    ));
    report.note("the column \"processors used\" shows the last round");
    report.note(format!("the client of the gateway got all {stored} events once and in order"));
    drop(feed);
    report.notes(gateway.stop().await?);
    report.notes(webhooks.stop().await?);
    Ok(report)
}

fn rate(what: &str, rates: &[f64], cpu: &str) -> Row {
    Row::of(what, "/s", &Samples::new(rates.to_vec())).cpu(cpu.to_owned())
}

async fn rounds(
    plan: &Plan,
    client: &Client,
    webhooks: &Service,
    deliveries: &mut Deliveries,
    (template, keys): (&Template, &mut u64),
    watched: &[(&'static str, u32)],
    report: &Report,
) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    for round in 1..=plan.rounds {
        client.batch_execute("CHECKPOINT").await?;
        let before = rows::count(client).await?;
        let posted = post(webhooks, deliveries, plan.deliveries, watched).await?;
        let stored = rows::count(client).await? - before;
        posted.ensure_stored(stored)?;
        report.progress(format_args!("round {round}: {:.0} deliveries/s", posted.rate));
        figures.deliveries.push(posted.rate);
        figures.p99.push(posted.p99);
        figures.cpu[0] = posted.cpu;
        for (into, rates, cpu) in
            [(Target::Table, &mut figures.table, 1), (Target::Bare, &mut figures.bare, 2)]
        {
            // A gateway does not read the bare table, so a gateway does not affect INSERTs into this table.
            if into == Target::Bare && watched.iter().any(|(name, _)| *name == GATEWAY) {
                continue;
            }
            client.batch_execute("CHECKPOINT").await?;
            let meter = Meter::start(watched);
            rates.push(template.insert(client, into, plan.inserts, keys).await?);
            figures.cpu[cpu] = meter.text();
        }
    }
    Ok(figures)
}

/// Sends deliveries on all connections for `time`. Each delivery is different.
async fn post(
    webhooks: &Service,
    deliveries: &mut Deliveries,
    time: Duration,
    watched: &[(&'static str, u32)],
) -> anyhow::Result<Load> {
    load::drive(webhooks.address, 200, time, watched, deliveries.for_load(webhooks.address, time)).await
}
