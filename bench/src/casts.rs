//! Measures casts that GitHub runs drive: the delay from a signed delivery to the frame at the owner, and the
//! statements that a gateway sends while thousands of streams are idle.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::crowd::{Crowd, Keep, Subscription};
use crate::delivery::{Deliveries, FIRST_RUN};
use crate::http::Connection;
use crate::idle::{now, statements};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::sse::Feed;
use crate::stack::Stack;
use crate::tokens::{self, SERVICE, user};

/// The stream of all casts of a user.
const STREAM: &str = "/api/casts/events";
/// The time between two deliveries.
const EVERY: Duration = Duration::from_millis(50);
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// The number of events in the table before the first delivery.
const HISTORY: i64 = 100_000;
/// The maximum number of streams of a user.
const PER_USER: usize = 10;
/// The time between two renewals of the places of streams.
const RENEWAL: f64 = 10.0;

#[derive(Deserialize)]
struct Stored {
    id: i64,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let mut report = Report::new("casts");
    delay(stack, quick, &mut report).await?;
    idle(stack, quick, &mut report).await?;
    Ok(report)
}

/// Each delivery starts the run of another cast of one user, who follows all of them.
async fn delay(stack: &Stack, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let (warm_up, samples) = if quick { (10, 40) } else { (60, 400) };
    let database = stack.database("casts").await?;
    // The table gets a history, because every query plan is fast on an empty table.
    rows::append_many(&database.connect().await?, "DEV-HISTORY-0001", HISTORY).await?;
    let gateway = stack.private_gateway(&database).await?;
    let webhooks = stack.webhooks(&database).await?;
    let mut opening = Connection::open(gateway.address).await?;
    for nth in 0..warm_up + samples {
        let body = json!({"owner": user(0), "runId": FIRST_RUN + nth as u64}).to_string();
        let request = format!(
            "POST /api/casts HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SERVICE}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            gateway.address,
            body.len()
        );
        let answer = opening.exchange(request.as_bytes()).await?;
        ensure!(answer.status == 201, "the gateway answered {}: {}", answer.status, answer.body);
    }
    let token = tokens::mint(1)?.pop().context("a token")?;
    let mut feed = Feed::open_path(gateway.address, &format!("{STREAM}?token={token}")).await?;
    for _ in 0..warm_up + samples {
        feed.next(ARRIVES_WITHIN).await?;
    }
    let mut deliveries = Deliveries::of_starts()?;
    let mut connection = Connection::open(webhooks.address).await?;
    let mut request = deliveries.request(webhooks.address);
    let signed = deliveries.sign(warm_up + samples);
    let (mut answered, mut arrived) = (Vec::new(), Vec::new());
    let meter = Meter::start(&[gateway.watched(), webhooks.watched(), stack.watched()]);
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (number, delivery) in signed.iter().enumerate() {
        let bytes = request.of(delivery);
        pace.tick().await;
        let sent = Instant::now();
        let answer = connection.exchange(bytes).await?;
        let answer_took = sent.elapsed();
        ensure!(answer.status == 200, "webhook-ingest answered {}: {}", answer.status, answer.body);
        let stored: Stored = serde_json::from_str(&answer.body).context(answer.body)?;
        let (id, at) = feed.next(ARRIVES_WITHIN).await?;
        ensure!(id > stored.id, "the frame has the id {id}, but the delivery has the id {}", stored.id);
        if number >= warm_up {
            answered.push(milliseconds(answer_took));
            arrived.push(milliseconds(at.duration_since(sent)));
        }
    }
    let (arrived, answered) = (Samples::new(arrived), Samples::new(answered));
    let p99 = arrived.quantile(0.99);
    report.row(
        Row::of("delay from a delivery to the frame at the owner, median", "ms", &arrived)
            .bar(Bar::AtMost(8.0))
            .cpu(meter.text()),
    );
    report.row(
        Row::single("delay from a delivery to the frame at the owner, p99", "ms", p99).bar(Bar::AtMost(25.0)),
    );
    report.row(Row::of("delay from a delivery to its answer, which follows the commit", "ms", &answered));
    report.note(format!(
        "{samples} deliveries, 20 a second, after {warm_up} deliveries to warm up; each starts the run of \
         another cast of one user, who follows all casts in one stream; the table had {HISTORY} events at \
         the start"
    ));
    let client = database.connect().await?;
    let started = "SELECT count(*) FROM oasis_events WHERE kind = 'cast.started'";
    let started: i64 = client.query_one(started, &[]).await?.get(0);
    ensure!(started == (warm_up + samples) as i64, "{started} casts have started");
    report.notes(webhooks.stop().await?);
    report.notes(gateway.stop().await?);
    Ok(())
}

/// Thousands of streams are open, and nothing happens.
async fn idle(stack: &Stack, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let (users, window) = if quick { (20, 25) } else { (200, 125) };
    let database = stack.database("casts_idle").await?;
    let client = database.connect().await?;
    client.batch_execute(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await?;
    let gateway = stack.private_gateway(&database).await?;
    let tokens = tokens::mint(users)?;
    let of_user = |token: &String| {
        let path = format!("{STREAM}?token={token}");
        vec![Subscription { path, keep: Keep::Count }; PER_USER]
    };
    let crowd = Crowd::connect(gateway.address, tokens.iter().flat_map(of_user).collect()).await?;
    let streams = users * PER_USER;
    // After this pause, the gateway has sent all statements that the new clients need.
    sleep(Duration::from_secs(2)).await;
    let from = now()?;
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    sleep(Duration::from_secs(window)).await;
    let to = now()?;
    let cpu = meter.text();
    let open = streams - crowd.closed();
    ensure!(open == streams, "{open} of {streams} streams are open");
    let log = fs::read_to_string(stack.log()).context("reading PostgreSQL's log")?;
    let all = statements(&log, database.name);
    let during: Vec<_> = all.iter().filter(|sent| (from..to).contains(&sent.at)).collect();
    let renewals = during.iter().filter(|sent| sent.text.contains("oasis_places_renew")).count();
    report.row(
        Row::single(
            format!("number of statements in {window} s that keep the places of {streams} idle streams"),
            "",
            renewals as f64,
        )
        .bar(Bar::AtMost((window as f64 / RENEWAL).ceil()))
        .cpu(cpu),
    );
    report.row(Row::single(
        format!("number of all other statements of the gateway in {window} s"),
        "",
        (during.len() - renewals) as f64,
    ));
    ensure!(renewals > 0, "the gateway has renewed no places");
    drop(crowd);
    report.notes(gateway.stop().await?);
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
