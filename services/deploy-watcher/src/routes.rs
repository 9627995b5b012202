//! What the watcher answers.
//!
//! - `POST /poll`: reads what is new in the logs; 2xx only once it is stored

use hyper::{Method, StatusCode};
use oasis_service::{ApiError, App, NotReady, Request, RequestContext, Response, response};
use oasis_store::{Need, Store};
use serde_json::{Map, Value};

use crate::logs::gcloud::CloudLogging;
use crate::poll::Watcher;
use crate::poll_report::{Last, PollError};

/// The watcher.
pub struct DeployWatcher {
    /// The table, for `/ready`.
    pub(crate) store: Store,
    pub(crate) watcher: Watcher<CloudLogging>,
}

impl DeployWatcher {
    /// The name in logs, metrics, probes and the database's list of sessions.
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
                let report = self.watcher.poll().await.map_err(failed)?;
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

    fn details(&self) -> Map<String, Value> {
        let Last { good, failure } = self.watcher.last();
        let good = good.map(|good| format!("{good:.3}"));
        Map::from_iter([("last_good_poll".into(), good.into()), ("last_failure".into(), failure.into())])
    }
}

fn failed(error: PollError) -> ApiError {
    match error {
        PollError::Logs { ref why, .. } => {
            let (code, hint, said) = (why.code(), why.hint(), error.to_string());
            if why.is_passing() {
                ApiError::unavailable(code, said, error).hint(hint)
            } else {
                ApiError::bad_gateway(code, said, error).hint(hint)
            }
        }
        PollError::Store(_) => {
            ApiError::unavailable("database_unavailable", "the database can't be read or written now", error)
        }
        PollError::Append(ref why) => match why.told() {
            Some((code, said)) => ApiError::unavailable(code, said, error),
            None => ApiError::internal(error),
        },
    }
}
