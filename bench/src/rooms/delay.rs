//! Measures the delay from sending a line to the arrival of its frame at a viewer of the room. The answer to
//! the line follows the commit.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};

use super::house::{self, House, SERVICE, logs, message};
use super::plan::Plan;
use crate::http::Connection;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::Stack;

/// The time between two lines. At this pace, 20 lines a second are sent.
const EVERY: Duration = Duration::from_millis(50);
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    last_id: i64,
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("rooms_delay").await?;
    let client = database.connect().await?;
    // The table gets a history, because every query plan is fast on an empty table.
    rows::append_many(&client, "DEV-HISTORY-0001", plan.history).await?;
    let house = House::open(&client, 1).await?;
    let gateway = house::gateway(stack, &database).await?;
    rows(stack, &gateway, &house, 0, plan, "one viewer", report).await?;
    report.note(format!(
        "delay of a line: {} lines, 20 a second, after {} lines to warm up; the table had {} events of the \
         ticker at the start",
        plan.samples, plan.warm_up, plan.history
    ));
    report.notes(gateway.stop().await?);
    Ok(())
}

/// Sends lines one by one to a room, waits for the frame of each line, and adds the delays to the report. The
/// room must have no other lines meanwhile.
pub(super) async fn rows(
    stack: &Stack,
    gateway: &Service,
    house: &House,
    room: usize,
    plan: &Plan,
    who: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut feed = Feed::open_path(gateway.address, &house.path(room)).await?;
    let mut connection = Connection::open(gateway.address).await?;
    let (mut arrived, mut answered) = (Vec::new(), Vec::new());
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..plan.warm_up + plan.samples {
        let request = post(gateway, room, &line(number as u64));
        pace.tick().await;
        let sent = Instant::now();
        let answer = connection.exchange(request.as_bytes()).await?;
        let answer_took = sent.elapsed();
        ensure!(answer.status == 201, "the gateway answered {}: {}", answer.status, answer.body);
        let Stored { last_id } = serde_json::from_str(&answer.body).context(answer.body)?;
        let (id, at) = feed.next(ARRIVES_WITHIN).await?;
        ensure!(id == last_id, "the viewer got line {id} instead of line {last_id}");
        if number >= plan.warm_up {
            answered.push(milliseconds(answer_took));
            arrived.push(milliseconds(at.duration_since(sent)));
        }
    }
    let (arrived, answered) = (Samples::new(arrived), Samples::new(answered));
    let what = format!("delay from sending a line to its frame, {who}");
    let median = Row::of(format!("{what}, median"), "ms", &arrived);
    report.row(median.bar(Bar::AtMost(4.0)).cpu(meter.text()));
    report.row(Row::single(format!("{what}, p99"), "ms", arrived.quantile(0.99)).bar(Bar::AtMost(15.0)));
    let what = format!("delay from sending a line to its answer, which follows the commit, {who}");
    report.row(Row::of(what, "ms", &answered));
    Ok(())
}

/// The JSON of a line without a task.
pub(super) fn line(number: u64) -> String {
    format!("{{\"agentType\":\"code\",\"level\":\"info\",\"message\":\"{}\"}}", message(number))
}

/// A request that writes lines to a room.
pub(super) fn post(gateway: &Service, room: usize, lines: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {SERVICE}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{lines}",
        logs(room),
        gateway.address,
        lines.len()
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
