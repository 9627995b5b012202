//! [`Jwks`]: the public keys that an issuer publishes as a JWK set (`JWKS_URL`).
//!
//! One task reads the set: at the start, every 10 minutes, and when a token names a key that is not in the
//! set. So there is never more than one request at a time, and no request ends early because a client has
//! disconnected. Two requests begin at least 30 s apart. So tokens with a made-up `kid` cause few requests,
//! and a client never waits for more than one request.
//!
//! If a request fails, the last keys stay in use until a request succeeds, because an outage of the issuer
//! must not lock out all users. The next request that succeeds removes the keys that the issuer has removed.

mod fetch;
mod jwk;
mod set;
mod url;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oasis_core::chain;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::key::Key;
use fetch::FetchError;
use set::{BadSet, Set};

pub use url::{BadJwksUrl, JwksUrl};

/// When the set is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How often the set is read if no token names an unknown key.
    pub(crate) fresh: Duration,
    /// The minimum time from the beginning of one request to the beginning of the next request. After a
    /// failed request, the next request begins after this time.
    pub(crate) apart: Duration,
    /// The time limit of a request. A client with an unknown `kid` waits no longer than this.
    pub(crate) limit: Duration,
}

const PACE: Pace =
    Pace { fresh: Duration::from_secs(600), apart: Duration::from_secs(30), limit: Duration::from_secs(5) };

/// The current keys of a JWK set.
#[derive(Debug)]
pub(crate) struct Jwks {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    keys: Arc<[Key]>,
    /// The number of completed requests.
    ended: u64,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Reading,
    /// No request begins before this instant.
    Waiting(Instant),
}

/// Why a request returned no keys.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error(transparent)]
    Set(#[from] BadSet),
}

impl Jwks {
    /// Starts the task that reads the set. The task ends when the value is dropped.
    pub(crate) fn start(url: JwksUrl) -> Self {
        Self::start_at(url, PACE)
    }

    /// Like [`Jwks::start`], at another pace.
    pub(crate) fn start_at(url: JwksUrl, pace: Pace) -> Self {
        let url = Arc::new(url);
        let fetch = move || {
            let url = Arc::clone(&url);
            async move { fetch::fetch(&url).await }
        };
        Self::start_with(fetch, pace)
    }

    fn start_with<F, T>(fetch: F, pace: Pace) -> Self
    where
        F: Fn() -> T + Send + 'static,
        T: Future<Output = Result<Bytes, FetchError>> + Send + 'static,
    {
        let (sender, state) = watch::channel(State { keys: Arc::new([]), ended: 0, phase: Phase::Reading });
        let wanted = Arc::new(Notify::new());
        tokio::spawn(follow(fetch, pace, sender, Arc::clone(&wanted)));
        Self { state, wanted }
    }

    /// The keys that are known now.
    pub(crate) fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.state.borrow().keys)
    }

    /// Waits for the request in progress. If there is none, starts a request and waits for it, unless the
    /// last request began less than 30 s ago.
    pub(crate) async fn refresh(&self) {
        let mut state = self.state.clone();
        let (ended, phase) = {
            let state = state.borrow();
            (state.ended, state.phase)
        };
        match phase {
            Phase::Waiting(until) if Instant::now() < until => return,
            Phase::Waiting(_) => self.wanted.notify_one(),
            Phase::Reading => {}
        }
        // An error means that the task has ended, so there is nothing to wait for.
        let _ = state.wait_for(|state| state.ended > ended).await;
    }
}

/// Reads the set repeatedly, until all receivers are dropped.
async fn follow<F, T>(fetch: F, pace: Pace, state: watch::Sender<State>, wanted: Arc<Notify>)
where
    F: Fn() -> T,
    T: Future<Output = Result<Bytes, FetchError>>,
{
    let mut skipped = Vec::new();
    loop {
        let begin = Instant::now();
        let next = begin + pace.apart;
        let outcome = read(fetch(), pace.limit).await;
        let due = if outcome.is_ok() { begin + pace.fresh } else { next };
        let keys = match outcome {
            Ok(set) => {
                report(&set, &mut skipped);
                Some(set.keys.into())
            }
            Err(failure) => {
                tracing::error!(
                    error = chain(&failure),
                    "JWKS_URL cannot be read: the last keys stay in use"
                );
                None
            }
        };
        state.send_modify(|state| {
            state.keys = keys.unwrap_or_else(|| Arc::clone(&state.keys));
            state.ended += 1;
            state.phase = Phase::Waiting(next);
        });
        if !wait(&state, &wanted, next, due).await {
            return;
        }
        state.send_modify(|state| state.phase = Phase::Reading);
    }
}

async fn read(
    fetch: impl Future<Output = Result<Bytes, FetchError>>,
    limit: Duration,
) -> Result<Set, Failure> {
    let document = timeout(limit, fetch).await.map_err(|_| Failure::Late(limit))??;
    Ok(Set::parse(&document)?)
}

/// Waits until the next request. Returns false if no one needs the keys any more.
async fn wait(state: &watch::Sender<State>, wanted: &Notify, next: Instant, due: Instant) -> bool {
    loop {
        tokio::select! {
            () = state.closed() => return false,
            () = sleep_until(due) => return true,
            // A client may have sent this notification before the last request began.
            () = wanted.notified() => if Instant::now() >= next { return true },
        }
    }
}

/// Logs the keys that were left out, unless the previous read left out the same keys.
fn report(set: &Set, last: &mut Vec<(String, jwk::Skipped)>) {
    if set.keys.is_empty() {
        tracing::warn!("the set of JWKS_URL has no usable key, so tokens that need such a key are refused");
    }
    if set.skipped != *last {
        for (kid, why) in &set.skipped {
            match why {
                jwk::Skipped::OtherUse(_) => tracing::debug!(?kid, %why, "a key of JWKS_URL is left out"),
                jwk::Skipped::Secret | jwk::Skipped::Member(_) | jwk::Skipped::Bad(_) => {
                    tracing::warn!(?kid, %why, "a key of JWKS_URL is left out");
                }
            }
        }
        last.clone_from(&set.skipped);
    }
    tracing::debug!(keys = set.keys.len(), "the set of JWKS_URL has been read");
}

#[cfg(test)]
mod tests;
