//! Requests as fast as they are answered: each connection sends its next one as soon as the last is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::processes::Meter;
use crate::report::Samples;

pub(crate) const CONNECTIONS: usize = 64;

/// The requests of one connection, ready to send.
pub(crate) trait Requests: Send + 'static {
    /// The next one; `None` when there are no more.
    fn next(&mut self) -> Option<&[u8]>;
}

/// What came of it.
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Of the time to an answer, in milliseconds.
    pub(crate) p99: f64,
    /// Acknowledged, including those that came after the clock had stopped.
    pub(crate) stored: i64,
    /// Processors that each of the watched was using.
    pub(crate) cpu: String,
    /// Processor seconds of each of the watched.
    pub(crate) seconds: Vec<f64>,
}

impl Load {
    /// An error unless what was acknowledged is what the table has.
    pub(crate) fn ensure_stored(&self, stored: i64) -> anyhow::Result<()> {
        ensure!(stored == self.stored, "{} requests were acknowledged, {stored} are stored", self.stored);
        Ok(())
    }
}

/// Sends to `address` for this long what `requests` gives each connection; every answer must have this status
/// and tell an id.
pub(crate) async fn drive<R: Requests>(
    address: SocketAddr,
    status: u16,
    time: Duration,
    watched: &[(&'static str, u32)],
    mut requests: impl FnMut() -> R,
) -> anyhow::Result<Load> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push((Connection::open(address).await?, requests()));
    }
    let meter = Meter::start(watched);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for (mut connection, mut requests) in connections {
        clients.spawn(async move {
            let mut took: Vec<f64> = Vec::new();
            let mut late = 0;
            while began.elapsed() < time {
                let request = requests.next().context("more requests would have gone through")?;
                let sent = Instant::now();
                let answer = connection.exchange(request).await?;
                ensure!(
                    answer.status == status && answer.body.contains("\"id\":"),
                    "the answer was {}: {}",
                    answer.status,
                    answer.body
                );
                if began.elapsed() <= time {
                    took.push(sent.elapsed().as_secs_f64() * 1_000.0);
                } else {
                    late += 1;
                }
            }
            anyhow::Ok((took, late))
        });
    }
    let (mut took, mut late) = (Vec::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (own, own_late) = client??;
        took.extend(own);
        late += own_late;
    }
    let cpu = meter.text();
    let seconds = watched.iter().map(|(_, pid)| meter.seconds(*pid)).collect();
    let rate = took.len() as f64 / time.as_secs_f64();
    let stored = took.len() as i64 + late;
    Ok(Load { rate, p99: Samples::new(took).quantile(0.99), stored, cpu, seconds })
}
