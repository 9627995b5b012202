//! Measures how many small events a second `POST /events/ingest` stores, with one event per request. For
//! comparison, alternating rounds run `pgbench`, which inserts the same values on 32 connections, one row at
//! a time. The rows go first into the same table, and then into a copy of the table without triggers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::Client;

use crate::load::{self, CONNECTIONS, Load, Requests};
use crate::pgbench;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::Service;
use crate::stack::{Database, Stack};

const TOKEN: &str = "a-token-for-measuring";
const TABLE: &str = "public.oasis_events";
/// The name of a copy of the table. The copy has everything except the triggers.
const COPY: &str = "bench_copy";
/// The number of digits in an event's number.
const DIGITS: usize = 10;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (rounds, time) = if quick { (1, 2) } else { (3, 8) };
    let time = Duration::from_secs(time);
    let mut report = Report::new("ingest");
    let database = stack.database("ingest").await?;
    let client = database.connect().await?;
    client.batch_execute(&format!("CREATE TABLE {COPY} (LIKE {TABLE} INCLUDING ALL)")).await?;
    let gateway = stack.gateway_with(&database, &[("INGEST_TOKENS", TOKEN)]).await?;
    let mut events = Events { address: gateway.address, next: Arc::default() };
    let pgbench = pgbench::check();
    if let Err(why) = &pgbench {
        report.missing(pgbench::NAME, why);
    }

    let [mut ours, mut p99, mut table, mut copy] = [const { Vec::new() }; 4];
    let [mut ours_cpu, mut table_cpu, mut copy_cpu] = [const { String::new() }; 3];
    let mut by_server = Vec::new();
    for round in 0..=rounds {
        let time = if round == 0 { Duration::from_secs(1) } else { time };
        let load = send(stack, &client, &gateway, &mut events, time).await?;
        report.progress(format_args!("round {round}: {:.0} events/s", load.rate));
        let mut rates = [0.0; 2];
        let mut used = [const { String::new() }; 2];
        if pgbench.is_ok() {
            for (index, into) in [TABLE, COPY].into_iter().enumerate() {
                client.batch_execute("CHECKPOINT").await?;
                let meter = Meter::start(&[gateway.watched(), stack.watched()]);
                rates[index] = insert(stack, &database, into, time).await?;
                used[index] = meter.text();
                report.progress(format_args!(
                    "round {round}: {:.0} rows/s by pgbench into {into}",
                    rates[index]
                ));
            }
        }
        if round == 0 {
            continue;
        }
        ours.push(load.rate);
        p99.push(load.p99);
        by_server.push(load.stored as f64 / load.seconds[0]);
        ours_cpu = load.cpu;
        if pgbench.is_ok() {
            table.push(rates[0]);
            copy.push(rates[1]);
            [table_cpu, copy_cpu] = used;
        }
    }
    let row = |what: &str, unit, values: &[f64]| Row::of(what, unit, &Samples::new(values.to_vec()));
    report.row(row("events stored, one per request, 64 connections", "/s", &ours).cpu(ours_cpu));
    report.row(row("events stored per CPU second of the gateway", "", &by_server));
    report.row(row("answer time, p99", "ms", &p99));
    if pgbench.is_ok() {
        report.row(row("rows inserted by pgbench into the same table", "/s", &table).cpu(table_cpu));
        report.row(row("rows inserted by pgbench into a copy without triggers", "/s", &copy).cpu(copy_cpu));
        let what = "ratio: events stored / rows inserted by pgbench into the same table";
        report.row(Row::ratio(what, &ours, &table).bar(Bar::MoreThan(1.0)));
        let what = "ratio: events stored / rows inserted by pgbench into a copy without triggers";
        report.row(Row::ratio(what, &ours, &copy));
        report.note("pgbench uses 32 clients, 2 threads and a prepared statement that contains the values");
        report.note("the copy of the table has the same indexes and CHECKs");
    }
    report.note(format!(
        "{rounds} alternating rounds of {} s on {CONNECTIONS} connections; a checkpoint runs before each \
         part of a round",
        time.as_secs()
    ));
    report.note(format!(
        "an event is {} bytes long as JSON; the table contains every event that was acknowledged",
        Event::new(gateway.address, 0).body().len()
    ));
    report.notes(gateway.stop().await?);
    Ok(report)
}

async fn send(
    stack: &Stack,
    client: &Client,
    gateway: &Service,
    events: &mut Events,
    time: Duration,
) -> anyhow::Result<Load> {
    client.batch_execute("CHECKPOINT").await?;
    let before = rows::count(client).await?;
    let watched = [gateway.watched(), stack.watched()];
    let load = load::drive(gateway.address, 201, time, &watched, || events.connection()).await?;
    let stored = rows::count(client).await? - before;
    load.ensure_stored(stored)?;
    Ok(load)
}

/// Runs pgbench for `time` and returns the rows per second. Each row has the values of an [`Event`].
async fn insert(stack: &Stack, database: &Database, into: &str, time: Duration) -> anyhow::Result<f64> {
    let sql = format!(
        "INSERT INTO {into} (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta) \
         VALUES \
         ('2026-01-02T03:04:05.678Z', 'DEV-CICDL-0031', 'CICDL', 'GATEWAY', 'oasis.events', 'task.step', \
          'in_progress', 'CICDL-GATEWAY-TASK-STEP', 'vt/DEV-CICDL-0031-task-step', \
          'https://example.com/tasks/0031/steps/' || :n, \
          'devhub', '{{\"agent\": \"worker-7\", \"note\": \"a step of a task that somebody watches\"}}')"
    );
    pgbench::run(stack, database, sql, time).await
}

/// Makes events, each with a different link.
struct Events {
    address: SocketAddr,
    next: Arc<AtomicU64>,
}

impl Events {
    fn connection(&mut self) -> Sender {
        Sender { event: Event::new(self.address, 0), next: self.next.clone() }
    }
}

/// The events of one connection.
struct Sender {
    event: Event,
    next: Arc<AtomicU64>,
}

impl Requests for Sender {
    fn next(&mut self) -> Option<&[u8]> {
        Some(self.event.numbered(self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A request that carries one event.
struct Event {
    bytes: Vec<u8>,
    body_at: usize,
    number_at: usize,
}

impl Event {
    fn new(address: SocketAddr, number: u64) -> Self {
        let before = "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"vtid\":\"DEV-CICDL-0031\",\
                      \"module\":\"GATEWAY\",\"source\":\"oasis.events\",\
                      \"kind\":\"task.step\",\"status\":\"in_progress\",\
                      \"link\":\"https://example.com/tasks/0031/steps/";
        let after =
            "\",\"meta\":{\"agent\":\"worker-7\",\"note\":\"a step of a task that somebody watches\"}}";
        let head = format!(
            "POST /events/ingest HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            before.len() + DIGITS + after.len()
        );
        let bytes = format!("{head}{before}{number:010}{after}").into_bytes();
        Self { bytes, body_at: head.len(), number_at: head.len() + before.len() }
    }

    fn numbered(&mut self, number: u64) -> &[u8] {
        let mut left = number;
        for digit in self.bytes[self.number_at..self.number_at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        &self.bytes
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_with_its_number_in_the_link() {
        let mut event = Event::new(SocketAddr::from(([127, 0, 0, 1], 8080)), 0);
        event.numbered(4_321);
        let value: serde_json::Value = serde_json::from_slice(event.body()).unwrap();
        assert_eq!(value["link"], "https://example.com/tasks/0031/steps/0000004321");
        assert!((250..350).contains(&event.body().len()), "{}", event.body().len());
    }
}
