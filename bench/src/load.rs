//! Sends requests as fast as a service answers them: each connection sends its next request as soon as its
//! last request is answered.

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
    /// The next request, or `None` if there are no more requests.
    fn next(&mut self) -> Option<&[u8]>;
}

/// The figures of a load.
pub(crate) struct Load {
    /// The number of answers per second.
    pub(crate) rate: f64,
    /// The 99th percentile of the answer time, in milliseconds.
    pub(crate) p99: f64,
    /// The number of acknowledged requests, including the requests that were answered after the end of the
    /// load.
    pub(crate) stored: i64,
    /// A text that says how many processors each watched process used.
    pub(crate) cpu: String,
    /// The processor seconds of each watched process.
    pub(crate) seconds: Vec<f64>,
}

impl Load {
    /// Returns an error if the number of stored rows differs from the number of acknowledged requests.
    pub(crate) fn ensure_stored(&self, stored: i64) -> anyhow::Result<()> {
        let acknowledged = self.stored;
        ensure!(
            stored == acknowledged,
            "{acknowledged} requests were acknowledged, but {stored} rows are stored"
        );
        Ok(())
    }
}

/// Sends requests to `address` on all connections for `time`. `requests` is called once per connection, and
/// returns the requests of this connection. Every answer must have the status `status` and contain an id.
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
                let request = requests.next().context("too few requests were prepared")?;
                let sent = Instant::now();
                let answer = connection.exchange(request).await?;
                ensure!(
                    answer.status == status && answer.body.contains("\"id\":"),
                    "a request was answered with {}: {}",
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
