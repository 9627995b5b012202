//! Measures the delay from a POST to the arrival of its frame at a client of the stream. The answer to the
//! POST follows the commit.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::http::{self, Connection};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::Stack;
use crate::tokens::SERVICE;

/// The time between two requests. At this pace, 20 requests a second are sent.
const EVERY: Duration = Duration::from_millis(50);
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// The requests of one measurement. Each of them writes one line or one event.
pub(crate) struct Posts {
    /// The text of the report for what a request writes, such as "a line".
    pub(crate) what: &'static str,
    /// The path of the requests.
    pub(crate) path: String,
    /// The body of the request with this number.
    pub(crate) body: Box<dyn Fn(u64) -> String>,
    /// The path of the stream. The stream must have no other frames meanwhile.
    pub(crate) stream: String,
    /// The number of requests that warm up the measurement. They are not counted.
    pub(crate) warm_up: usize,
    pub(crate) samples: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    last_id: i64,
}

impl Posts {
    /// Sends the requests one by one, waits for the frame of each request, and adds the delays to the report.
    /// `who` says who else is connected.
    pub(crate) async fn rows(
        &self,
        stack: &Stack,
        gateway: &Service,
        who: &str,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut feed = Feed::open_path(gateway.address, &self.stream).await?;
        let mut connection = Connection::open(gateway.address).await?;
        let (mut arrived, mut answered) = (Vec::new(), Vec::new());
        let meter = Meter::start(&[gateway.watched(), stack.watched()]);
        let mut pace = interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..self.warm_up + self.samples {
            let body = (self.body)(number as u64);
            let request = http::post(gateway.address, &self.path, SERVICE, &body);
            pace.tick().await;
            let sent = Instant::now();
            let answer = connection.exchange(request.as_bytes()).await?;
            let answer_took = sent.elapsed();
            ensure!(answer.status == 201, "the gateway answered {}: {}", answer.status, answer.body);
            let Stored { last_id } = serde_json::from_str(&answer.body).context(answer.body)?;
            let (id, at) = feed.next(ARRIVES_WITHIN).await?;
            ensure!(id == last_id, "the client got the frame {id} instead of {last_id}");
            if number >= self.warm_up {
                answered.push(milliseconds(answer_took));
                arrived.push(milliseconds(at.duration_since(sent)));
            }
        }
        let (arrived, answered) = (Samples::new(arrived), Samples::new(answered));
        let what = format!("delay from sending {} to its frame, {who}", self.what);
        let median = Row::of(format!("{what}, median"), "ms", &arrived);
        report.row(median.bar(Bar::AtMost(4.0)).cpu(meter.text()));
        report.row(Row::single(format!("{what}, p99"), "ms", arrived.quantile(0.99)).bar(Bar::AtMost(15.0)));
        let what = format!("delay from sending {} to its answer, which follows the commit, {who}", self.what);
        report.row(Row::of(what, "ms", &answered));
        Ok(())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
