//! Measures the delay of the ticker's deliveries while many lines are written into rooms. A delivery is a
//! signed delivery of GitHub, as in the scenario `latency`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

use super::delay::line;
use super::house::{House, LINE, logs};
use super::plan::Plan;
use crate::crowd::{Crowd, Keep};
use crate::delivery::Deliveries;
use crate::draw::pace;
use crate::http::{self, Connection};
use crate::latency;
use crate::report::{Bar, Report, Row};
use crate::rows;
use crate::stack::Stack;
use crate::tokens::SERVICE;

const ROOMS: usize = 100;
/// The number of lines per request.
const LINES: u64 = 50;
/// The number of requests per second. Each request goes to another room.
const REQUESTS: u32 = 100;
/// The number of connections that send lines. They take turns.
const CONNECTIONS: u32 = 10;
const ARRIVE_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("rooms_ticker").await?;
    let client = database.connect().await?;
    rows::append_many(&client, "DEV-HISTORY-0001", plan.history).await?;
    let house = House::open(&client, ROOMS).await?;
    let gateway = stack.private_gateway(&database).await?;
    let webhooks = stack.webhooks(&database).await?;
    let viewers = house.viewers(ROOMS, Keep::Count);
    let crowd = Crowd::connect_counting(gateway.address, viewers, LINE).await?;
    let mut deliveries = Deliveries::new()?;
    let postgres = [stack.watched()];
    let before = rows::count(&client).await?;

    let began = Instant::now();
    let mut writers = JoinSet::new();
    for nth in 0..CONNECTIONS {
        let requests: Vec<Vec<u8>> = (0..ROOMS)
            .map(|room| {
                let lines: Vec<String> = (0..LINES).map(line).collect();
                let body = format!("[{}]", lines.join(","));
                http::post(gateway.address, &logs(room), SERVICE, &body).into_bytes()
            })
            .collect();
        writers.spawn(write(gateway.address, requests, nth, began));
    }
    let (warm_up, samples) = (plan.warm_up, plan.samples);
    let measured = latency::measure(&mut deliveries, &gateway, &webhooks, &postgres, warm_up, samples);
    // The writers never end, unless a request fails.
    let latencies = tokio::select! {
        latencies = measured => latencies?,
        Some(failed) = writers.join_next() => return failed?,
    };
    let took = began.elapsed();
    writers.shutdown().await;
    // A request that was aborted may have been stored or not. So the table tells how many lines there are.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stored = rows::count(&client).await? - before - (warm_up + samples) as i64;
    crowd.until(stored.unsigned_abs(), ARRIVE_WITHIN).await?;
    ensure!(crowd.closed() == 0, "the gateway closed {} viewers", crowd.closed());
    let rate = stored as f64 / took.as_secs_f64();
    let p99 = latencies.arrived.quantile(0.99);
    let wanted = LINES as f64 * f64::from(REQUESTS);
    let what = format!("the ticker while {wanted:.0} lines/s are written: delay from delivery to frame");
    report.row(Row::of(format!("{what}, median"), "ms", &latencies.arrived).cpu(latencies.cpu));
    report.row(Row::single(format!("{what}, p99"), "ms", p99).bar(Bar::AtMost(15.0)));
    let row = Row::single("lines of rooms that were stored meanwhile", "/s", rate);
    report.row(row.bar(Bar::AtLeast(0.95 * wanted)));
    report.note(format!(
        "the lines come in {REQUESTS} requests a second of {LINES} lines each, to {ROOMS} rooms with one \
         viewer each; {samples} deliveries of the ticker, 20 a second; all {stored} lines were stored \
         and received"
    ));
    report.notes(webhooks.stop().await?);
    report.notes(gateway.stop().await?);
    Ok(())
}

/// Sends every [`CONNECTIONS`]th request of the load, until this task is aborted.
async fn write(address: SocketAddr, requests: Vec<Vec<u8>>, nth: u32, began: Instant) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    for turn in (nth..).step_by(CONNECTIONS as usize) {
        pace(began, turn, REQUESTS).await;
        let answer = connection.exchange(&requests[turn as usize % ROOMS]).await?;
        ensure!(answer.status == 201, "the gateway answered {}: {}", answer.status, answer.body);
    }
    Ok(())
}
