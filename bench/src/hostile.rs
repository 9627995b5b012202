//! Measures what ordinary clients notice of an attack. Each attack runs beside the same ordinary traffic: 20
//! deliveries a second, a hundred clients of the feed, and ten queries a second.

mod attacks;
mod bodies;
mod traffic;

use std::time::Duration;

use crate::history::History;
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

use attacks::{Attack, Target};
use traffic::{Seen, Traffic};

/// During an attack, the 99th percentile may be this many times as large as without one.
const MOST_TIMES: f64 = 3.0;
/// The 99th percentile may also be this many milliseconds larger.
const MOST_MORE: f64 = 10.0;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (time, rows) = if quick { (4, 10_000) } else { (60, 400_000) };
    let time = Duration::from_secs(time);
    let mut report = Report::new("hostile");
    let database = stack.database("hostile").await?;
    let history = History::fill(&database.connect().await?, rows).await?;
    let gateway = stack.gateway_with(&database, &[("INGEST_ANONYMOUS", "true")]).await?;
    let webhooks = stack.webhooks(&database).await?;
    let target = Target { gateway: gateway.address, webhooks: webhooks.address };
    let mut traffic = Traffic::new(target)?;
    let peak = bodies::peak(&gateway).await?;
    let row = Row::single("peak memory of a gateway that gets 12 arrays of 20 MiB at a time", "MiB", peak);
    report.row(row.bar(Bar::AtMost(256.0)));

    // The first run warms everything up.
    traffic.run(time.min(Duration::from_secs(5))).await?;
    let calm = traffic.run(time).await?;
    rows_of(&mut report, "without an attack", &calm, None);
    for attack in Attack::ALL {
        let attacking = attack.begin(target)?;
        let seen = traffic.run(time).await?;
        attacking.end()?;
        report.progress(format_args!("{}: {} refusals", attack.name(), seen.refused));
        rows_of(&mut report, attack.name(), &seen, attack.is_defended().then_some(&calm));
    }
    report.note(format!(
        "each attack runs for {} s from one address beside 20 deliveries a second on new connections, 100 \
         clients of the feed and ten queries a second",
        time.as_secs()
    ));
    report.note(format!(
        "a percentile may be {MOST_TIMES} times as large as without an attack, or {MOST_MORE} ms larger; the \
         flood has no bar, because only a limit in front of the services could protect the others from it"
    ));
    report.note(history.describe());
    report.notes(webhooks.stop().await?);
    report.notes(gateway.stop().await?);
    Ok(report)
}

fn rows_of(report: &mut Report, name: &str, seen: &Seen, calm: Option<&Seen>) {
    let refused = Row::single(format!("{name}: refused or lost"), "", seen.refused as f64);
    report.row(if calm.is_some() { refused.bar(Bar::AtMost(0.0)) } else { refused });
    for (what, values, before) in [
        ("answer time of a delivery", &seen.deliveries, calm.map(|calm| &calm.deliveries)),
        ("delay at a client of the feed", &seen.feed, calm.map(|calm| &calm.feed)),
        ("answer time of a query", &seen.queries, calm.map(|calm| &calm.queries)),
    ] {
        let p99 = |values: &[f64]| Samples::new(values.to_vec()).quantile(0.99);
        let row = Row::single(format!("{name}: {what}, p99"), "ms", p99(values));
        report.row(match before.map(|before| p99(before)) {
            Some(calm) => row.bar(Bar::AtMost((calm * MOST_TIMES).max(calm + MOST_MORE))),
            None => row,
        });
    }
}
