//! The ordinary traffic beside an attack.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::attacks::Target;
use crate::delivery::Deliveries;
use crate::http::{self, Connection};
use crate::sse::Feed;

const FOLLOWERS: usize = 100;
/// The time between two deliveries.
const EVERY: Duration = Duration::from_millis(50);
/// One of this many deliveries is followed by a query. With fewer queries, the 99th percentile of an attack
/// would be the slowest query.
const QUERY_EVERY: usize = 2;
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Traffic {
    target: Target,
    deliveries: Deliveries,
}

/// What the ordinary clients saw. Times are in milliseconds.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) deliveries: Vec<f64>,
    pub(crate) queries: Vec<f64>,
    /// For each client of the feed and each delivery, the time from the beginning of the delivery.
    pub(crate) feed: Vec<f64>,
    /// Requests that were refused or failed, and events that a client of the feed did not get.
    pub(crate) refused: usize,
}

impl Traffic {
    pub(crate) fn new(target: Target) -> anyhow::Result<Self> {
        Ok(Self { target, deliveries: Deliveries::new()? })
    }

    /// Runs for `time`.
    pub(crate) async fn run(&mut self, time: Duration) -> anyhow::Result<Seen> {
        let Target { gateway, webhooks } = self.target;
        let mut seen = Seen::default();
        let mut feeds = Vec::new();
        for _ in 0..FOLLOWERS {
            match Feed::open(gateway).await {
                Ok(feed) => feeds.push(feed),
                Err(_) => seen.refused += 1,
            }
        }
        let count = (time.as_millis() / EVERY.as_millis()) as usize;
        let signed = self.deliveries.sign(count);
        let mut request = self.deliveries.request(webhooks);
        let mut begun: HashMap<i64, Instant> = HashMap::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (nth, delivery) in signed.iter().enumerate() {
            ticks.tick().await;
            let began = Instant::now();
            // GitHub opens a new connection for each delivery.
            let answer =
                async { Connection::open(webhooks).await?.exchange(request.of(delivery)).await }.await;
            match answer {
                Ok(answer) if answer.status == 200 => {
                    seen.deliveries.push(millis(began.elapsed()));
                    let id = serde_json::from_str::<Value>(&answer.body)?["id"].as_i64();
                    begun.extend(id.map(|id| (id, began)));
                }
                _ => seen.refused += 1,
            }
            if nth % QUERY_EVERY == 0 {
                let began = Instant::now();
                match http::get(gateway, "/api/v1/oasis/events?limit=50").await {
                    Ok(answer) if answer.status == 200 => seen.queries.push(millis(began.elapsed())),
                    _ => seen.refused += 1,
                }
            }
        }
        sleep(Duration::from_millis(500)).await;
        for feed in &mut feeds {
            let mut missing = begun.len();
            while missing > 0 {
                let Ok((id, at)) = feed.next(ARRIVES_WITHIN).await else { break };
                if let Some(began) = begun.get(&id) {
                    seen.feed.push(millis(at - *began));
                    missing -= 1;
                }
            }
            seen.refused += missing;
        }
        Ok(seen)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
