//! Measures the batcher that the services use to append events: how many rows a second it stores for many
//! callers in one process, and how long an append by a single caller takes. The batcher runs in the process
//! of the bench. The peers are plain COPY and INSERT statements, which one session sends.

mod events;
mod plain;
mod series;

use std::time::{Duration, Instant};

use anyhow::ensure;
use oasis_core::NewEvent;
use oasis_store::{Appender, DatabaseArgs, Store};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::Client;

use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::stack::{Database, Stack};
use events::{Events, Size};
use plain::{Form, insert_plain};
use series::Series;

const CALLERS: usize = 64;
/// The time between two appends of a single caller.
const PACE: Duration = Duration::from_millis(10);

struct Plan {
    rounds: usize,
    events: usize,
    /// The number of rows in the table at the start of the last rounds.
    history: usize,
    /// The number of appends by a single caller in each round.
    alone: usize,
}

/// A case to measure: each caller appends `each` events at a time.
struct Case {
    what: &'static str,
    each: usize,
    size: Size,
    /// The minimum number of rows a second if the table is empty at the start.
    bar: Option<f64>,
}

const CASES: [Case; 3] = [
    Case { what: "64 callers, one event at a time", each: 1, size: Size::Plain, bar: Some(30_000.0) },
    Case { what: "64 callers, ten events at a time", each: 10, size: Size::Plain, bar: Some(40_000.0) },
    Case { what: "64 callers, one delivery at a time", each: 1, size: Size::Delivery, bar: None },
];

/// The peers: statements that the bench sends directly to PostgreSQL. The last value is the number of rows
/// per statement. It is equal to the number of rows that all callers of a case together append at a time.
const PEERS: [(&str, Form, usize); 4] = [
    ("COPY, 64 rows per statement", Form::Copy, CALLERS),
    ("INSERT of VALUES, 64 rows per statement", Form::Insert, CALLERS),
    ("COPY, 640 rows per statement", Form::Copy, CALLERS * 10),
    ("COPY into a bare table, 64 rows per statement", Form::CopyBare, CALLERS),
];

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { rounds: 1, events: 10_000, history: 20_000, alone: 50 }
    } else {
        Plan { rounds: 3, events: 100_000, history: 1_000_000, alone: 200 }
    };
    let mut report = Report::new("append");
    let mut events = Events::default();

    let database = stack.database("append").await?;
    let client = database.connect().await?;
    rows::make_bare(&client).await?;
    let appender = appender(&database)?;
    let watched = [stack.watched()];
    let (mut ours, mut theirs) = (CASES.map(|_| Series::default()), PEERS.map(|_| Series::default()));
    let mut alone = Vec::new();
    for round in 1..=plan.rounds {
        for (case, measured) in CASES.iter().zip(&mut ours) {
            empty(&client).await?;
            append(&appender, &client, case, events.make(plan.events, case.size), &watched, measured).await?;
            report.progress(format_args!("round {round}: {}: {:.0} rows/s", case.what, measured.last()));
        }
        for ((what, form, at_once), measured) in PEERS.iter().zip(&mut theirs) {
            empty(&client).await?;
            let events = events.make(plan.events, Size::Plain);
            insert_plain(&client, *form, *at_once, &events, &watched, measured).await?;
            report.progress(format_args!("round {round}: {what}: {:.0} rows/s", measured.last()));
        }
        alone.extend(one_at_a_time(&appender, events.make(plan.alone, Size::Delivery)).await?);
    }
    for (case, measured) in CASES.iter().zip(&ours) {
        let mut row = measured.rate(case.what);
        if let Some(bar) = case.bar {
            row = row.bar(Bar::AtLeast(bar));
        }
        report.row(row);
        report.row(Row::of(format!("{}: answer time, p99", case.what), "ms", &Samples::new(measured.p99())));
    }
    for ((what, ..), measured) in PEERS.iter().zip(&theirs) {
        report.row(measured.rate(what));
    }
    for (what, ours, theirs) in [
        ("ratio of throughputs: one event at a time / COPY, 64 rows per statement", &ours[0], &theirs[0]),
        ("ratio of throughputs: one event at a time / INSERT, 64 rows per statement", &ours[0], &theirs[1]),
        ("ratio of throughputs: ten events at a time / COPY, 640 rows per statement", &ours[1], &theirs[2]),
    ] {
        report.row(Row::ratio(what, &ours.rates, &theirs.rates));
    }
    let alone = Samples::new(alone);
    report.row(Row::of("answer time of an append by a single caller", "ms", &alone));
    let p99 = alone.quantile(0.99);
    report.row(Row::single("answer time of an append by a single caller, p99", "ms", p99));

    empty(&client).await?;
    append_history(&appender, &mut events, plan.history).await?;
    let mut ours = [&CASES[0], &CASES[1]].map(|case| (case, Series::default()));
    for round in 1..=plan.rounds {
        for (case, measured) in &mut ours {
            client.batch_execute("CHECKPOINT").await?;
            append(&appender, &client, case, events.make(plan.events, case.size), &watched, measured).await?;
            report.progress(format_args!("round {round}: with a history: {:.0} rows/s", measured.last()));
        }
    }
    for (case, measured) in &ours {
        report.row(measured.rate(&format!("{}, with {} or more rows in the table", case.what, plan.history)));
    }
    report.note(format!(
        "{} alternating rounds; in each round, each case and each peer appends {} events to an empty table",
        plan.rounds, plan.events
    ));
    report.note(format!(
        "the first two cases then run in {} alternating rounds, with {} or more rows in the table",
        plan.rounds, plan.history
    ));
    report.note("a checkpoint runs before each measurement");
    report.note("the column \"processors used\" shows the last round");
    report.note(format!(
        "each event is {} bytes long as JSON, and has a dedup key of the same form as the key of a delivery",
        events::json_length(&client).await?
    ));
    report.note("the events and the peers' statements are prepared before the clock starts");
    Ok(report)
}

fn appender(database: &Database) -> anyhow::Result<Appender> {
    Ok(Store::new(DatabaseArgs::new(database.url().parse()?), "bench-append")?.appender()?)
}

/// Empties the events table and the bare table, and runs a checkpoint. A trigger of the events table forbids
/// TRUNCATE, so the trigger is disabled while the tables are emptied.
async fn empty(client: &Client) -> anyhow::Result<()> {
    let guard = "TRIGGER oasis_events_append_only";
    client
        .batch_execute(&format!(
            "BEGIN; ALTER TABLE oasis_events DISABLE {guard}; TRUNCATE oasis_events, bench_bare; \
             ALTER TABLE oasis_events ENABLE ALWAYS {guard}; COMMIT; CHECKPOINT"
        ))
        .await?;
    Ok(())
}

/// Appends all events, divided among `CALLERS` callers. Each caller sends its next events as soon as its last
/// append is answered.
async fn append(
    appender: &Appender,
    client: &Client,
    case: &Case,
    events: Vec<NewEvent>,
    watched: &[(&'static str, u32)],
    measured: &mut Series,
) -> anyhow::Result<()> {
    let (before, total, each) = (rows::count(client).await?, events.len(), case.each);
    let mut shares: Vec<Vec<Vec<NewEvent>>> = vec![Vec::new(); CALLERS];
    let mut events = events.into_iter();
    for nth in 0..total.div_ceil(each) {
        shares[nth % CALLERS].push(events.by_ref().take(each).collect());
    }
    drop(events);
    let meter = Meter::start(watched);
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for share in shares {
        let appender = appender.clone();
        callers.spawn(async move {
            let mut times = Vec::with_capacity(share.len());
            for own in share {
                let (sent, count) = (tokio::time::Instant::now(), own.len());
                let appended = appender.append(own, sent).await?;
                times.push(sent.elapsed().as_secs_f64() * 1_000.0);
                let stored = appended.iter().all(|one| one.id.is_some() && !one.duplicate);
                ensure!(
                    stored && appended.len() == count,
                    "all events are new and should be stored, but the answer is {appended:?}"
                );
            }
            anyhow::Ok(times)
        });
    }
    let mut answers = Vec::new();
    while let Some(times) = callers.join_next().await {
        answers.extend(times??);
    }
    measured.rates.push(total as f64 / began.elapsed().as_secs_f64());
    measured.cpu = meter.text();
    measured.answers.push(Samples::new(answers));
    let stored = rows::count(client).await? - before;
    ensure!(stored == total as i64, "{total} events were acknowledged, but {stored} are stored");
    Ok(())
}

/// Appends the events one at a time, and returns the time of each append in milliseconds.
async fn one_at_a_time(appender: &Appender, events: Vec<NewEvent>) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for event in events {
        pace.tick().await;
        let sent = tokio::time::Instant::now();
        appender.append(vec![event], sent).await?;
        times.push(sent.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(times)
}

async fn append_history(appender: &Appender, events: &mut Events, count: usize) -> anyhow::Result<()> {
    const AT_ONCE: usize = 1_000;
    for first in (0..count).step_by(AT_ONCE) {
        let events = events.make(AT_ONCE.min(count - first), Size::Plain);
        appender.append(events, tokio::time::Instant::now()).await?;
    }
    Ok(())
}
