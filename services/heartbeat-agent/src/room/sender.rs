//! Sends the waiting lines to a room of a gateway, in batches. A batch that fails is sent again with the same
//! key, so that the gateway stores each line once.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use oasis_core::room::{AgentType, LogLevel, LogLine, Readers, RoomId};
use oasis_core::{Task, Ts};
use oasis_service::client::{self, Base, Sender};
use oasis_service::{Secret, random};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::line::{read_line, to_wire};
use super::queue::{Captured, Stream, Taken};
use super::shared::Shared;
use crate::destination::{self, DELIVERY_TIMEOUT, DeliveryError, FailureKind};
use crate::instance;

/// The pause between two batches. A reader of the room sees a line after at most this time, and a gateway
/// gets at most five requests a second from an agent.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the first line of a batch waits for more lines.
const LINGER: Duration = Duration::from_millis(20);
/// The maximum number of lines that are sent in a second, on average. The writers of all rooms and of the
/// ticker share one table, so one agent must use only a small part of the table's throughput. No person can
/// read lines as fast as this.
const MOST_LINES_PER_SECOND: usize = 1_000;
/// The maximum number of lines of a batch. The gateway accepts 1,000 lines, and one of these may be the line
/// that reports dropped lines.
const MOST_LINES: usize = 999;
/// The maximum size of the lines of a batch, as the command wrote them.
const MOST_BYTES: usize = 256 << 10;
/// The pause after the first failed attempt. Each further failure doubles the pause.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The maximum pause between two attempts.
const LAST_RETRY: Duration = Duration::from_secs(30);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The room that gets the lines, and how it is opened.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: Base,
    pub(crate) token: Option<Secret>,
    pub(crate) room: RoomId,
    /// The fields that the room gets when it is opened.
    pub(crate) opening: Opening,
    pub(crate) agent_type: AgentType,
}

/// The fields of the room, as far as the agent's settings name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) title: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) readers: Option<Readers>,
}

impl Opening {
    fn body(&self) -> Map<String, Value> {
        let members = [
            ("title", self.title.clone()),
            ("owner", self.owner.clone()),
            ("readers", self.readers.map(|readers| readers.to_string())),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }
}

/// The result of a delivery.
enum Outcome {
    Sent,
    /// The gateway refused the lines because of their content.
    Refused,
    /// No more lines can be sent: the room is closed, or the agent may not write and the command has ended.
    Over,
}

/// Sends lines until the queue has finished or the room accepts no more lines. While lines cannot be sent,
/// `failing` has the reason.
pub(crate) async fn run(target: Target, shared: Arc<Shared>, failing: watch::Sender<Option<String>>) {
    // If there are settings for the room, the room gets them before its first line. Otherwise, users who must
    // not read the room could read this line.
    let must_open = target.opening != Opening::default();
    let run = instance::random_suffix() + &instance::random_suffix();
    let mut delivery =
        Delivery { target, shared: &shared, failing, must_open, connection: None, failures: 0 };
    let mut pace = Pace { allowance: MOST_LINES_PER_SECOND, at: Instant::now() };
    let mut next = Instant::now();
    let mut number = 0_u64;
    while shared.wait().await {
        tokio::select! {
            () = sleep_until(next.max(Instant::now() + LINGER)) => {}
            () = shared.finished() => {}
        }
        let most =
            if shared.is_finished() { MOST_LINES } else { pace.allowance(Instant::now()).min(MOST_LINES) };
        let taken = shared.take(most, MOST_BYTES);
        let (lines, dropped) = (taken.lines.len(), taken.dropped);
        pace.allowance = pace.allowance.saturating_sub(lines);
        number += 1;
        let batch = Batch { key: format!("{run}-{number}"), body: delivery.body(taken) };
        next = Instant::now() + PAUSE;
        match delivery.deliver(&batch).await {
            Outcome::Sent => {}
            Outcome::Refused => shared.add_dropped(lines as u64 + dropped),
            Outcome::Over => {
                let lost = shared.close() + lines as u64 + dropped;
                tracing::warn!(room = %delivery.target.room, lost, "no more lines are sent to the room");
                return;
            }
        }
    }
}

/// Limits the rate at which lines are sent.
struct Pace {
    /// The number of lines that may be sent at the time `at`.
    allowance: usize,
    at: Instant,
}

impl Pace {
    /// The number of lines that may be sent now, which is at least 1.
    fn allowance(&mut self, now: Instant) -> usize {
        let earned = (now - self.at).as_secs_f64() * MOST_LINES_PER_SECOND as f64;
        (self.allowance, self.at) = ((self.allowance + earned as usize).clamp(1, MOST_LINES_PER_SECOND), now);
        self.allowance
    }
}

struct Batch {
    key: String,
    body: String,
}

struct Delivery<'a> {
    target: Target,
    shared: &'a Shared,
    failing: watch::Sender<Option<String>>,
    /// Whether the room must be opened before the next line.
    must_open: bool,
    connection: Option<Sender>,
    /// The number of failed attempts since the last success.
    failures: u32,
}

impl Delivery<'_> {
    fn body(&self, Taken { dropped, lines }: Taken) -> String {
        let first = lines.first().map_or_else(|| Ts::clamped(jiff::Timestamp::now()), |line| line.ts);
        let mark = (dropped > 0).then(|| self.mark(dropped, first));
        let lines = lines.into_iter().map(|line| self.line(line));
        Value::from_iter(mark.into_iter().chain(lines).map(|line| to_wire(&line))).to_string()
    }

    fn line(&self, Captured { stream, ts, task, raw }: Captured) -> LogLine {
        let level = match stream {
            Stream::Stdout => LogLevel::Info,
            // Most programs also write their progress to stderr, so such a line need not be an error.
            Stream::Stderr => LogLevel::Warn,
        };
        read_line(&raw, self.defaults(ts, task, level))
    }

    /// The line that reports how many lines are missing.
    fn mark(&self, dropped: u64, ts: Ts) -> LogLine {
        let message = format!("dropped {} lines: they could not be sent", grouped(dropped));
        let metadata = json!({"dropped": dropped}).as_object().cloned();
        LogLine { message, metadata, ..self.defaults(ts, Task::Idle, LogLevel::Warn) }
    }

    fn defaults(&self, ts: Ts, task: Task, level: LogLevel) -> LogLine {
        let agent_type = self.target.agent_type.clone();
        LogLine { ts, task, agent_type, level, message: String::new(), metadata: None }
    }

    async fn deliver(&mut self, batch: &Batch) -> Outcome {
        let mut pause = FIRST_RETRY;
        loop {
            let attempt = timeout(DELIVERY_TIMEOUT, self.attempt(batch)).await;
            let Err(error) = attempt.unwrap_or(Err(DeliveryError::Timeout)) else {
                if self.failures > 0 {
                    tracing::info!(room = %self.target.room, "lines are sent again");
                }
                self.failures = 0;
                self.failing.send_if_modified(|why| why.take().is_some());
                return Outcome::Sent;
            };
            // An abandoned request may leave the connection in the middle of an answer.
            self.connection = None;
            self.failing.send_replace(Some(error.to_string()));
            let room = &self.target.room;
            if is_status(&error, StatusCode::CONFLICT) {
                tracing::warn!(%error, %room, "the room accepts no more lines");
                return Outcome::Over;
            }
            match error.kind() {
                FailureKind::Refused => {
                    tracing::warn!(%error, %room, "lines were refused and are not sent again");
                    return Outcome::Refused;
                }
                FailureKind::Denied if self.shared.is_finished() => return Outcome::Over,
                FailureKind::Transient | FailureKind::Denied if self.failures == 0 => {
                    tracing::warn!(%error, %room, "lines could not be sent; trying again");
                }
                FailureKind::Transient | FailureKind::Denied => {
                    tracing::debug!(%error, %room, "lines could not be sent");
                }
            }
            self.failures = self.failures.saturating_add(1);
            let jitter = 0.5 + random() / 2.0;
            if self.shared.is_finished() {
                // The agent waits only a few seconds for the last lines.
                sleep(FIRST_RETRY.mul_f64(jitter)).await;
                continue;
            }
            tokio::select! {
                () = sleep(pause.mul_f64(jitter)) => {}
                () = self.shared.finished() => {}
            }
            pause = (pause * 2).min(LAST_RETRY);
        }
    }

    async fn attempt(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        if self.must_open {
            self.open().await?;
        }
        match self.post(batch).await {
            Err(error) if is_status(&error, StatusCode::NOT_FOUND) => {
                self.open().await?;
                self.post(batch).await
            }
            posted => posted,
        }
    }

    async fn open(&mut self) -> Result<(), DeliveryError> {
        let body = Value::Object(self.target.opening.body()).to_string();
        self.ask(Method::PUT, &format!("/api/v1/rooms/{}", self.target.room), body, None).await?;
        self.must_open = false;
        Ok(())
    }

    async fn post(&mut self, Batch { key, body }: &Batch) -> Result<(), DeliveryError> {
        let path = format!("/api/v1/rooms/{}/logs", self.target.room);
        self.ask(Method::POST, &path, body.clone(), Some(key)).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: String,
        key: Option<&str>,
    ) -> Result<(), DeliveryError> {
        let Target { url, token, .. } = &self.target;
        let mut request = destination::request(url, token.as_ref(), method, path, body)?;
        if let Some(key) = key.and_then(|key| key.parse().ok()) {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        if let Some(mut kept) = self.connection.take().filter(|connection| !connection.is_closed())
            && let Ok(answer) = client::exchange(&mut kept, request.clone()).await
        {
            self.connection = Some(kept);
            return destination::expect_json(&answer, Value::is_object);
        }
        // There was no connection, or the gateway has closed the connection while it was idle.
        let mut connection = client::connect(url).await?;
        let answer = client::exchange(&mut connection, request).await?;
        self.connection = Some(connection);
        destination::expect_json(&answer, Value::is_object)
    }
}

fn is_status(error: &DeliveryError, expected: StatusCode) -> bool {
    matches!(error, DeliveryError::Refused { status, .. } if *status == expected)
}

/// Formats a number with a comma after each group of three digits, such as `12,345,678`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_formatted_in_groups_of_three_digits() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_burst_is_sent_at_once_and_later_lines_at_the_limited_rate() {
        let start = Instant::now();
        let mut pace = Pace { allowance: MOST_LINES_PER_SECOND, at: start };
        assert_eq!(pace.allowance(start), 1_000);
        pace.allowance = 0;
        assert_eq!(pace.allowance(start + PAUSE), 200);
        assert_eq!(pace.allowance(start + Duration::from_secs(9)), 1_000);
    }
}
