//! Whether a service is ready, asked no more often than it can change.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::{ApiError, App, NotReady, panics};

/// A prober does not wait longer than a few seconds either.
const READY_TIME: Duration = Duration::from_secs(5);

/// How long an answer stays true enough. A service that was not ready is often ready a moment later, above
/// all at the start.
const READY_FOR: Duration = Duration::from_millis(500);
const NOT_READY_FOR: Duration = Duration::from_millis(20);

/// The last check. A probe that comes while one is under way waits for it, and one that comes within
/// [`READY_FOR`] (or [`NOT_READY_FOR`]) gets the same answer, so that no number of probes asks much of the
/// database.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Vec<String>)>>);

impl Readiness {
    /// Why `app` is not ready; empty when it is.
    pub(crate) async fn reasons<A: App>(&self, app: &A) -> Result<Vec<String>, ApiError> {
        let mut last = self.0.lock().await;
        if let Some((checked, reasons)) = &*last
            && checked.elapsed() < if reasons.is_empty() { READY_FOR } else { NOT_READY_FOR }
        {
            return Ok(reasons.clone());
        }
        let checked = panics::catch(timeout(READY_TIME, app.ready())).await;
        let reasons = match checked {
            Ok(Ok(Ok(()))) => Vec::new(),
            Ok(Ok(Err(NotReady { reasons }))) if reasons.is_empty() => vec!["not ready".to_owned()],
            Ok(Ok(Err(NotReady { reasons }))) => reasons,
            Ok(Err(_)) => vec![format!("the readiness check took longer than {} s", READY_TIME.as_secs())],
            Err(panic) => return Err(ApiError::internal(panic)),
        };
        *last = Some((Instant::now(), reasons.clone()));
        Ok(reasons)
    }
}
