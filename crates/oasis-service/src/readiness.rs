//! Caches the result of the readiness check, so that probes cost little.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::{ApiError, App, NotReady, panics};

/// The time limit of a readiness check. Clients that send probes wait only a few seconds for the answer.
const READY_TIME: Duration = Duration::from_secs(5);

/// How long a service counts as ready after a check that found it ready.
const READY_FOR: Duration = Duration::from_millis(500);
/// How long a service counts as not ready after a check that found it not ready. This time is shorter,
/// because a service is often ready a moment later, especially when it has just started.
const NOT_READY_FOR: Duration = Duration::from_millis(20);

/// The last readiness check. A probe that arrives during a check waits for the result. A probe that arrives
/// within [`READY_FOR`] or [`NOT_READY_FOR`] gets the cached result. Therefore, the number of checks does not
/// grow with the number of probes.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Vec<String>)>>);

impl Readiness {
    /// The reasons why `app` is not ready. The list is empty if `app` is ready.
    ///
    /// # Errors
    /// 500 `internal` when the check panics.
    pub(crate) async fn reasons<A: App>(&self, app: &A) -> Result<Vec<String>, ApiError> {
        let mut last = self.0.lock().await;
        if let Some((checked, reasons)) = &*last
            && checked.elapsed() < if reasons.is_empty() { READY_FOR } else { NOT_READY_FOR }
        {
            return Ok(reasons.clone());
        }
        let checked = panics::catch(pin!(timeout(READY_TIME, app.ready()))).await;
        let reasons = match checked {
            Ok(Ok(Ok(()))) => Vec::new(),
            Ok(Ok(Err(NotReady { reasons }))) if reasons.is_empty() => vec!["not ready".to_owned()],
            Ok(Ok(Err(NotReady { reasons }))) => reasons,
            Ok(Err(_)) => vec![format!("the readiness check took longer than {} s", READY_TIME.as_secs())],
            Err(panic) => return Err(ApiError::internal(panic)),
        };
        let before = last.as_ref().map_or(&[][..], |(_, reasons)| reasons);
        if before != reasons {
            log(A::NAME, &reasons);
        }
        *last = Some((Instant::now(), reasons.clone()));
        Ok(reasons)
    }
}

/// Logs a change of the reasons, because `/ready` does not show them to everyone.
fn log(service: &'static str, reasons: &[String]) {
    if reasons.is_empty() {
        tracing::info!(service, "ready");
    } else {
        tracing::warn!(service, reasons = reasons.join("; "), "not ready");
    }
}
