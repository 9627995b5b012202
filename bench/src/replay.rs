//! Measures how long a new client waits for its first twenty events. These events are older than millions of
//! pings. Each of these pings repeats an earlier ping.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::sse::Feed;
use crate::stack::Stack;

/// The number of events that a new client gets first.
const RECENT: usize = 20;
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// The maximum of each 99th percentile, in milliseconds.
const P99: f64 = 10.0;
/// The number of repeated pings per statement.
const AT_ONCE: i64 = 100_000;
const TASK: &str = "DEV-OLD-0001";

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (repeats, samples) = if quick { (100_000, 20) } else { (3_000_000, 200) };
    let mut report = Report::new("replay");
    let database = stack.database("replay").await?;
    let client = database.connect().await?;
    let old = rows::append_many(&client, TASK, RECENT as i64).await?;
    report.progress(format_args!("writing {repeats} repeated pings"));
    let began = Instant::now();
    let pings = client
        .prepare(
            "INSERT INTO public.oasis_events \
                    (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
             SELECT clock_timestamp(), 'IDLE', 'UNSET', 'AGENT-' || n % 20, 'agent.ping', 'ping', 'info', \
                    'UNSET-AGENT-' || n % 20 || '-PING', 'vt/IDLE-ping', \
                    jsonb_build_object('agent', 'agent-' || n % 20, 'instance', 'host:7:' || n % 20, \
                                       'interval', 60, 'seq', n / 20, 'repeat', true) \
             FROM generate_series($1::bigint, $2::bigint) AS n",
        )
        .await?;
    for first in (1..=repeats).step_by(AT_ONCE as usize) {
        client.execute(&pings, &[&first, &(first + AT_ONCE - 1).min(repeats)]).await?;
    }
    client.batch_execute("VACUUM (ANALYZE) public.oasis_events").await?;
    report.note(format!(
        "the table has {RECENT} events, then {repeats} repeated pings of 20 idle agents; writing the pings \
         and vacuuming the table took {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    report.note(format!("each time is measured from the request until all {RECENT} events have arrived"));
    let gateway = stack.gateway(&database).await?;
    for (name, query) in [
        ("no filter", ""),
        ("one status", "?status=info"),
        ("one source", "?source=oasis.events"),
        ("one task", "?vtid=DEV-OLD-0001"),
        ("one layer", "?layer=OLD"),
        ("two kinds, including ping", "?kind=event,ping"),
    ] {
        let mut times = Vec::new();
        for nth in 0..samples + 3 {
            let asked = Instant::now();
            let mut feed = Feed::open_at(gateway.address, query).await?;
            for expected in &old {
                let (id, arrived) = feed.next(ARRIVES_WITHIN).await?;
                ensure!(id == *expected, "{name}: event {id} came instead of event {expected}");
                if nth >= 3 && id == old[RECENT - 1] {
                    times.push(arrived.duration_since(asked).as_secs_f64() * 1_000.0);
                }
            }
        }
        let (what, times) = (format!("time to the first events, {name}"), Samples::new(times));
        report.row(Row::of(what.as_str(), "ms", &times));
        report.row(Row::single(format!("{what}, p99"), "ms", times.quantile(0.99)).bar(Bar::AtMost(P99)));
    }
    report.notes(gateway.stop().await?);
    Ok(report)
}
