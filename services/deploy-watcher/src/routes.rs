//! The watcher's endpoint, and the fields that the watcher adds to `/ready`.
//!
//! - `POST /poll`: reads the new entries of each log. Answers 2xx only after the events are stored.

use hyper::{Method, StatusCode};
use oasis_service::{ApiError, App, Disclosure, NotReady, Request, RequestContext, Response, response};
use oasis_store::{Need, Store};
use serde_json::{Map, Value};

use crate::logs::gcloud::CloudLogging;
use crate::poll::Watcher;
use crate::poll_report::{PollError, PollStatus};

/// The service: the watcher and the database that its probes check.
pub struct DeployWatcher {
    /// The database, for `/ready`.
    pub(crate) store: Store,
    pub(crate) watcher: Watcher<CloudLogging>,
}

impl DeployWatcher {
    /// The service's name in logs, metrics, probes and the database's list of sessions.
    pub const NAME: &'static str = "deploy-watcher";
}

impl App for DeployWatcher {
    const NAME: &'static str = DeployWatcher::NAME;

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(
        &self,
        _route: &(),
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        match (context.path(), request.method()) {
            ("/poll", &Method::POST) => {
                context.matched("/poll");
                let report = self.watcher.poll().await.map_err(api_error)?;
                response::json(StatusCode::OK, &report)
            }
            ("/poll", _) => {
                context.matched("/poll");
                Err(ApiError::method_not_allowed("POST"))
            }
            _ => Err(ApiError::not_found()),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        let mut reasons = self.store.check(Need::Write).await;
        if reasons.is_empty() {
            reasons = self.store.check_watch().await;
        }
        if reasons.is_empty() { Ok(()) } else { Err(NotReady { reasons }) }
    }

    fn details(&self, _disclosure: Disclosure) -> Map<String, Value> {
        let PollStatus { last_good, failure } = self.watcher.status();
        let last_good = last_good.map(|ended| format!("{ended:.3}"));
        Map::from_iter([("last_good_poll".into(), last_good.into()), ("last_failure".into(), failure.into())])
    }
}

fn api_error(error: PollError) -> ApiError {
    match error {
        PollError::Logs { ref why, .. } => {
            let (code, hint, message) = (why.code(), why.hint(), error.to_string());
            if why.is_transient() {
                ApiError::unavailable(code, message, error).hint(hint)
            } else {
                ApiError::bad_gateway(code, message, error).hint(hint)
            }
        }
        PollError::Store(_) => {
            ApiError::unavailable("database_unavailable", "the database can't be read or written now", error)
        }
        PollError::Append(ref why) => match why.caller_message() {
            Some((code, said)) => ApiError::unavailable(code, said, error),
            None => ApiError::internal(error),
        },
    }
}
