//! Measures how long pages, a replay and a resume of the ticker take when a million room lines separate the
//! newest event of the ticker from its older events.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio_postgres::Client;

use crate::http::Connection;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::Stack;

const TASK: &str = "DEV-OLD-0001";
/// The number of events that are older than the lines.
const OLD: i64 = 100;
/// The number of events that a new client gets first.
const REPLAY: usize = 20;
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// The maximum of each 99th percentile, in milliseconds.
const P99: f64 = 10.0;
/// A number of events that is larger than the capacity of the gateway's ring for the ticker.
const MORE_THAN_A_RING: i64 = 5_000;
/// The number of lines per statement.
const AT_ONCE: i64 = 100_000;
/// The number of warm-up requests for each form of request. These requests are not counted.
const WARM_UP: usize = 3;

/// The number of lines, and the number of measurements for each form of request.
struct Plan {
    lines: i64,
    samples: usize,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan =
        if quick { Plan { lines: 50_000, samples: 20 } } else { Plan { lines: 1_000_000, samples: 300 } };
    let mut report = Report::new("flood");
    let database = stack.database("flood").await?;
    let client = database.connect().await?;
    let old = rows::append_many(&client, TASK, OLD).await?;
    report.progress(format_args!("writing {} lines", plan.lines));
    let began = Instant::now();
    append_lines(&client, plan.lines).await?;
    let new = rows::append_many(&client, TASK, 1).await?;
    client.batch_execute("VACUUM (ANALYZE) public.oasis_events").await?;
    report.note(format!(
        "the table has {OLD} events, then {} lines of 100 rooms, then one event; writing the lines and \
         vacuuming the table took {:.0} s",
        plan.lines,
        began.elapsed().as_secs_f64()
    ));
    let gateway = stack.gateway(&database).await?;
    pages(&gateway, &plan, &mut report).await?;

    let mut shown = old[old.len() - (REPLAY - 1)..].to_vec();
    shown.extend(&new);
    feeds(&gateway, "replay of the last 20 events", "", &shown, &plan, &mut report).await?;
    report.notes(gateway.stop().await?);

    // After these events, the gateway's ring has no event that is older than the lines. So a client that
    // resumes after an older event gets the missed events from the table.
    rows::append_many(&client, TASK, MORE_THAN_A_RING).await?;
    let began = Instant::now();
    let gateway = stack.gateway(&database).await?;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    report.row(Row::single("time from the start of a gateway until it is ready", "ms", took));
    let resume = format!("?last_event_id={}", old[old.len() - 2]);
    let missed = [old[old.len() - 1], new[0]];
    let name = "resume after an event that is older than the lines";
    feeds(&gateway, name, &resume, &missed, &plan, &mut report).await?;
    report.notes(gateway.stop().await?);
    Ok(report)
}

/// Appends `count` lines of rooms. Each room has its own channel.
async fn append_lines(client: &Client, count: i64) -> anyhow::Result<()> {
    let statement = client
        .prepare(
            "INSERT INTO public.oasis_events \
               (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
             SELECT clock_timestamp(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', \
               'UNSET-CORE-LOG', 'vt/UNSET-log', 'room:' || n % 100, \
               jsonb_build_object('level', 'info', 'message', 'step ' || n || ' of the build took 1.4 s') \
             FROM generate_series($1::bigint, $2::bigint) AS n",
        )
        .await?;
    for first in (1..=count).step_by(AT_ONCE as usize) {
        client.execute(&statement, &[&first, &(first + AT_ONCE - 1).min(count)]).await?;
    }
    Ok(())
}

/// Measures the answer times of pages of the query API. To fill a page, the gateway has to skip the lines.
async fn pages(gateway: &Service, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut connection = Connection::open(gateway.address).await?;
    for (name, query) in [
        ("page of 50 events", "limit=50"),
        ("page of one task's events", "limit=50&vtid=DEV-OLD-0001"),
        ("page of events with one status", "limit=50&status=info"),
        ("page of events since a given time", "limit=50&since=2020-01-01T00:00:00Z"),
        ("page of events until a given time", "limit=50&until=2100-01-01T00:00:00Z"),
        ("page without events", "limit=50&status=failure"),
    ] {
        let mut times = Vec::new();
        for nth in 0..plan.samples + WARM_UP {
            let (rows, took) = page(&mut connection, gateway.address, query).await?;
            let expected = if name.ends_with("without events") { 0 } else { 50 };
            ensure!(rows == expected, "{name}: the answer has {rows} events instead of {expected}");
            if nth >= WARM_UP {
                times.push(took);
            }
        }
        add_rows(report, name, times);
    }
    Ok(())
}

/// Requests a page, and returns its number of events and the answer time in milliseconds.
async fn page(connection: &mut Connection, address: SocketAddr, query: &str) -> anyhow::Result<(usize, f64)> {
    let request = format!("GET /api/v1/oasis/events?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let asked = Instant::now();
    let answer = connection.exchange(request.as_bytes()).await?;
    let took = asked.elapsed().as_secs_f64() * 1_000.0;
    ensure!(answer.status == 200, "the gateway answered {}: {}", answer.status, answer.body);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&answer.body)?;
    Ok((rows.len(), took))
}

/// Opens the feed repeatedly, and measures the time from the request to the arrival of the last event. The
/// events must be the events in `expected`.
async fn feeds(
    gateway: &Service,
    name: &str,
    query: &str,
    expected: &[i64],
    plan: &Plan,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for nth in 0..plan.samples + WARM_UP {
        let asked = Instant::now();
        let mut feed = Feed::open_at(gateway.address, query).await?;
        let mut arrived = asked;
        for id in expected {
            let (got, at) = feed.next(ARRIVES_WITHIN).await?;
            ensure!(got == *id, "{name}: event {got} came instead of event {id}");
            arrived = at;
        }
        if nth >= WARM_UP {
            times.push(arrived.duration_since(asked).as_secs_f64() * 1_000.0);
        }
    }
    add_rows(report, name, times);
    Ok(())
}

fn add_rows(report: &mut Report, name: &str, times: Vec<f64>) {
    let (what, times) = (format!("time for a {name}"), Samples::new(times));
    report.row(Row::of(what.as_str(), "ms", &times));
    report.row(Row::single(format!("{what}, p99"), "ms", times.quantile(0.99)).bar(Bar::AtMost(P99)));
}
