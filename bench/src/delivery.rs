//! Makes signed GitHub deliveries before the clock starts. All deliveries have the body of a real delivery,
//! but each body contains a different run id.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use ring::hmac;

use crate::load::Requests;

/// The secret that signs the deliveries. The measured servers use the same webhook secret.
pub(crate) const SECRET: &str = "a secret for measuring";

const PAYLOAD: &[u8] =
    include_bytes!("../../services/webhook-ingest/tests/payloads/workflow_run.dispatched.json");
/// The part of the payload that contains the id of the workflow run.
const RUN: &[u8] = b"\"id\":1589141559";
const RUN_DIGITS: usize = 10;
/// The first run id. It has as many digits as the run id in the payload, so all bodies have the same length.
pub(crate) const FIRST_RUN: u64 = 2_000_000_000;
const BLANK_SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The number of deliveries to prepare for each second of load. No run has needed more deliveries so far.
const READY: usize = 30_000;

/// The parts in which a delivery differs from other deliveries.
pub(crate) struct Delivery {
    run: [u8; RUN_DIGITS],
    signature: [u8; 64],
}

/// Makes deliveries, each with a different run id.
pub(crate) struct Deliveries {
    payload: Vec<u8>,
    next: u64,
    key: hmac::Key,
    run_at: Range<usize>,
}

impl Deliveries {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::of(PAYLOAD.to_vec())
    }

    /// Deliveries of runs that start.
    pub(crate) fn of_starts() -> anyhow::Result<Self> {
        const QUEUED: &str = "\"status\":\"queued\"";
        let payload = std::str::from_utf8(PAYLOAD).context("the payload is not UTF-8")?;
        ensure!(payload.matches(QUEUED).count() == 1, "the payload does not have the expected status");
        Self::of(payload.replace(QUEUED, "\"status\":\"in_progress\"").into_bytes())
    }

    fn of(payload: Vec<u8>) -> anyhow::Result<Self> {
        let at = find(&payload, RUN).context("the payload does not contain the expected run id")?;
        let end = at + RUN.len();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        Ok(Self { payload, next: FIRST_RUN, key, run_at: end - RUN_DIGITS..end })
    }

    /// The length of each body, in bytes.
    pub(crate) fn body_length() -> usize {
        PAYLOAD.len()
    }

    /// Signs the next `count` deliveries, on all processors.
    pub(crate) fn sign(&mut self, count: usize) -> Vec<Delivery> {
        let first = self.next;
        self.next += count as u64;
        let runs: Vec<u64> = (first..self.next).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut signed = Vec::with_capacity(count);
        std::thread::scope(|scope| {
            let parts = runs.chunks(count.div_ceil(threads).max(1));
            let parts: Vec<_> = parts.map(|part| scope.spawn(|| self.sign_runs(part))).collect();
            for part in parts {
                signed.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
        });
        signed
    }

    fn sign_runs(&self, runs: &[u64]) -> Vec<Delivery> {
        let mut body = self.payload.clone();
        let mut sign_one = |run: &u64| {
            let mut digits = [0; RUN_DIGITS];
            digits.copy_from_slice(format!("{run:010}").as_bytes());
            body[self.run_at.clone()].copy_from_slice(&digits);
            Delivery { run: digits, signature: hex(hmac::sign(&self.key, &body).as_ref()) }
        };
        runs.iter().map(&mut sign_one).collect()
    }

    /// Makes a request to `address`. Any delivery can be written into this request.
    pub(crate) fn request(&self, address: SocketAddr) -> Request {
        let mut bytes = format!(
            "POST /webhooks/github HTTP/1.1\r\nHost: {address}\r\nUser-Agent: GitHub-Hookshot/oasis-bench\r\n\
             Content-Type: application/json\r\nX-GitHub-Event: workflow_run\r\n\
             X-GitHub-Delivery: 00000000-0000-4000-8000-000000000000\r\nContent-Length: {}\r\n\
             X-Hub-Signature-256: sha256=",
            self.payload.len()
        )
        .into_bytes();
        let delivery_at = find(&bytes, b"-8000-").map_or(0, |at| at + 8);
        let signature_at = bytes.len();
        bytes.extend_from_slice(BLANK_SIGNATURE.as_bytes());
        bytes.extend_from_slice(b"\r\n\r\n");
        let body_at = bytes.len();
        bytes.extend_from_slice(&self.payload);
        Request { bytes, delivery_at, signature_at, run_at: body_at + self.run_at.start }
    }

    /// Prepares enough deliveries for a load that lasts for `time`. The returned function makes the requests
    /// of one connection. All connections take their deliveries from one shared list.
    pub(crate) fn for_load(
        &mut self,
        address: SocketAddr,
        time: Duration,
    ) -> impl FnMut() -> SignedRequests + use<'_> {
        let signed: Arc<[Delivery]> = self.sign((READY as f64 * time.as_secs_f64()) as usize).into();
        let next = Arc::new(AtomicUsize::new(0));
        move || SignedRequests { request: self.request(address), signed: signed.clone(), next: next.clone() }
    }
}

/// The requests of one connection. Each request carries the next delivery of the shared list.
pub(crate) struct SignedRequests {
    request: Request,
    signed: Arc<[Delivery]>,
    next: Arc<AtomicUsize>,
}

impl Requests for SignedRequests {
    fn next(&mut self) -> Option<&[u8]> {
        let delivery = self.signed.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        Some(self.request.of(delivery))
    }
}

/// The bytes of one request. For each delivery, only the parts that differ are overwritten.
pub(crate) struct Request {
    bytes: Vec<u8>,
    delivery_at: usize,
    signature_at: usize,
    run_at: usize,
}

impl Request {
    pub(crate) fn of(&mut self, delivery: &Delivery) -> &[u8] {
        let mut put = |at: usize, bytes: &[u8]| self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        put(self.delivery_at, &delivery.run);
        put(self.signature_at, &delivery.signature);
        put(self.run_at, &delivery.run);
        &self.bytes
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn hex(tag: &[u8]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(tag) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delivery_has_a_different_body_and_a_valid_signature() {
        let mut deliveries = Deliveries::new().unwrap();
        let signed: Vec<Delivery> = [deliveries.sign(3), deliveries.sign(2)].into_iter().flatten().collect();
        let mut request = deliveries.request(SocketAddr::from(([127, 0, 0, 1], 8081)));
        let mut bodies = Vec::new();
        for delivery in &signed {
            let bytes = request.of(delivery);
            let body = &bytes[find(bytes, b"\r\n\r\n").unwrap() + 4..];
            assert_eq!(body.len(), PAYLOAD.len());
            assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok());
            let tag = hex(hmac::sign(&deliveries.key, body).as_ref());
            assert!(find(bytes, &tag).is_some());
            bodies.push(body.to_vec());
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 5);
        assert!(bodies[4].windows(15).any(|part| part == b"\"id\":2000000004"));
    }
}
