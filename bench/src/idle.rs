//! Counts the statements that a gateway with many clients sends while nothing happens. They are read from
//! PostgreSQL's own log.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use tokio::time::sleep;

use crate::crowd::Crowd;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row};
use crate::rows;
use crate::sse::FEED;
use crate::stack::{GATEWAY, Stack};

/// The gateway may send at most one query in this many seconds.
const MINUTE: f64 = 60.0;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (clients, window) = if quick { (100, 10) } else { (1_000, 130) };
    let mut report = Report::new("idle");
    let database = stack.database("idle").await?;
    let client = database.connect().await?;
    rows::append_many(&client, "DEV-IDLE-0001", 100).await?;
    // This applies to sessions that begin from now on.
    client.batch_execute(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await?;
    let gateway = stack.gateway(&database).await?;
    let crowd = Crowd::connect(gateway.address, Crowd::subscriptions(FEED, clients, 0)).await?;
    report.progress(format_args!("{} clients are connected", clients - crowd.closed()));
    // By then, the gateway has sent its statements for the start and for new clients.
    sleep(Duration::from_secs(1)).await;

    let from = now()?;
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    sleep(Duration::from_secs(window)).await;
    let to = now()?;
    let cpu = meter.text();
    let log = fs::read_to_string(stack.log()).context("reading PostgreSQL's log")?;
    let all = statements(&log, database.name);
    let during: Vec<&Statement> = all.iter().filter(|sent| (from..to).contains(&sent.at)).collect();

    report.row(
        Row::single(
            format!("statements from the gateway in {window} s, {clients} clients"),
            "",
            during.len() as f64,
        )
        .bar(Bar::AtMost((window as f64 / MINUTE).ceil()))
        .cpu(cpu),
    );
    let pauses = during.windows(2).map(|pair| pair[1].at - pair[0].at);
    if let Some(shortest) = pauses.min_by(f64::total_cmp) {
        // The times in the log are from the system clock, which may be adjusted a little in this time.
        let row = Row::single("shortest time between two statements", "s", shortest);
        report.row(row.bar(Bar::AtLeast(MINUTE - 0.1)));
    }
    // Without this check, a log without any statements would give the best figure.
    anyhow::ensure!(all.len() > during.len(), "PostgreSQL's log does not show the gateway's statements");
    report.note(format!(
        "the log shows {} statements from the gateway before the measurement, while it started; {} of \
         {clients} clients were connected at the end",
        all.iter().filter(|sent| sent.at < from).count(),
        clients - crowd.closed()
    ));
    for sent in during {
        report.note(format!("after {:.1} s: {}", sent.at - from, sent.text));
    }
    drop(crowd);
    report.notes(gateway.stop().await?);
    Ok(report)
}

fn now() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// A statement that the gateway sent.
#[derive(Debug, PartialEq)]
struct Statement {
    /// Seconds since 1970.
    at: f64,
    text: String,
}

/// The gateway's statements in a log whose lines begin with [`LOG_PREFIX`](crate::stack::LOG_PREFIX).
fn statements(log: &str, database: &str) -> Vec<Statement> {
    let read = |line: &str| {
        let mut fields = line.splitn(4, '|');
        let at = fields.next()?.parse().ok()?;
        let ours = fields.next()? == GATEWAY && fields.next()? == database;
        let text = fields.next()?.strip_prefix("LOG:")?.trim_start();
        let sql = text
            .strip_prefix("statement: ")
            .or_else(|| text.split_once("execute ")?.1.split_once(": ").map(|s| s.1))?;
        ours.then(|| Statement { at, text: shortened(sql) })
    };
    log.lines().filter_map(read).collect()
}

fn shortened(sql: &str) -> String {
    match sql.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &sql[..end]),
        None => sql.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_of_the_gateway_are_found() {
        let log = "1.500|gateway-feed|idle|LOG:  statement: LISTEN a\n\
                   2.500|gateway-feed|idle|LOG:  execute <unnamed>: SELECT 1\n\
                   2.500|gateway-feed|idle|DETAIL:  parameters: $1 = '1'\n\
                   3.500|gateway-feed|other|LOG:  execute <unnamed>: SELECT 2\n\
                   4.500|oasis-bench|idle|LOG:  statement: SELECT 3\n\
                   \tand more\n";
        let sent = |at, text: &str| Statement { at, text: text.into() };
        let found = statements(log, "idle");
        assert_eq!(found, [sent(1.5, "LISTEN a"), sent(2.5, "SELECT 1")]);
    }
}
