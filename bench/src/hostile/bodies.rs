//! Measures the memory of a gateway that gets very large arrays.

use tokio::task::JoinSet;

use crate::http::{self, Connection};
use crate::processes::{kib, reset_peak};
use crate::service::Service;

/// The requests at a time.
const AT_ONCE: usize = 12;
const ROUNDS: usize = 5;
/// The largest body that ingest accepts, in bytes.
const BYTES: usize = 20 << 20;

/// The peak memory in MiB while the gateway refuses arrays of millions of zeros.
pub(super) async fn peak(gateway: &Service) -> anyhow::Result<f64> {
    let array = format!("[{}0]", "0,".repeat(BYTES / 2 - 2));
    reset_peak(gateway.pid())?;
    for _ in 0..ROUNDS {
        let mut requests = JoinSet::new();
        for _ in 0..AT_ONCE {
            let request = http::post(gateway.address, "/events/ingest", "none", &array);
            let address = gateway.address;
            requests
                .spawn(async move { Connection::open(address).await?.exchange(request.as_bytes()).await });
        }
        for answer in requests.join_all().await {
            // The service may close the connection before it has read the body of a request that it refuses.
            let refused = answer.map_or(true, |answer| matches!(answer.status, 400 | 413 | 503));
            anyhow::ensure!(refused, "an array of zeros was accepted");
        }
    }
    kib(gateway.pid(), "VmHWM").map(|kib| kib / 1_024.0)
}
