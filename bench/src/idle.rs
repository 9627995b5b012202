//! Counts the statements that a gateway with many clients sends to PostgreSQL while no events come. The
//! statements are read from PostgreSQL's own log.

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

/// The minimum time between two statements of the gateway, in seconds.
const MINUTE: f64 = 60.0;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (clients, window) = if quick { (100, 10) } else { (1_000, 130) };
    let mut report = Report::new("idle");
    let database = stack.database("idle").await?;
    let client = database.connect().await?;
    rows::append_many(&client, "DEV-IDLE-0001", 100).await?;
    // PostgreSQL applies this setting to new sessions only, so the gateway is started after the statement.
    client.batch_execute(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await?;
    let gateway = stack.gateway(&database).await?;
    let crowd = Crowd::connect(gateway.address, Crowd::subscriptions(FEED, clients, 0)).await?;
    report.progress(format_args!("{} clients are connected", clients - crowd.closed()));
    // After this pause, the gateway has sent all statements that its start and the new clients need.
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
            format!("number of statements from the gateway in {window} s, {clients} clients"),
            "",
            during.len() as f64,
        )
        .bar(Bar::AtMost((window as f64 / MINUTE).ceil()))
        .cpu(cpu),
    );
    let pauses = during.windows(2).map(|pair| pair[1].at - pair[0].at);
    if let Some(shortest) = pauses.min_by(f64::total_cmp) {
        // The times in the log come from the system clock. This clock may be adjusted a little during the
        // measurement, so the bar is 0.1 s below a minute.
        let row = Row::single("shortest time between two statements", "s", shortest);
        report.row(row.bar(Bar::AtLeast(MINUTE - 0.1)));
    }
    // Without this check, the bar would be met if the log contained no statements at all.
    anyhow::ensure!(all.len() > during.len(), "PostgreSQL's log has no statement from the gateway's start");
    report.note(format!(
        "the gateway sent {} statements while it started, before the measurement",
        all.iter().filter(|sent| sent.at < from).count()
    ));
    report.note(format!("{} of {clients} clients were connected at the end", clients - crowd.closed()));
    for sent in during {
        report.note(format!("statement after {:.1} s: {}", sent.at - from, sent.text));
    }
    drop(crowd);
    report.notes(gateway.stop().await?);
    Ok(report)
}

/// The time, in seconds since 1970.
pub(crate) fn now() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// A statement that the gateway sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    /// The time of the statement, in seconds since 1970.
    pub(crate) at: f64,
    pub(crate) text: String,
}

/// Finds the gateway's statements to `database` in PostgreSQL's log. Each entry of the log begins with
/// [`LOG_PREFIX`](crate::stack::LOG_PREFIX).
pub(crate) fn statements(log: &str, database: &str) -> Vec<Statement> {
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
    fn only_the_gateways_statements_to_the_database_are_found() {
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
