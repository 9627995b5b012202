//! What every service answers by itself.
//!
//! - `GET /health`: the process is alive
//! - `GET /ready`: it can do its job now, or 503 with the reasons
//! - `GET /metrics`: Prometheus text

use std::time::Duration;

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::serve::Server;
use crate::{ApiError, App, NotReady, Request, RequestContext, Response, meters, panics, response};

pub(crate) const PATHS: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Whoever probes waits no longer than a few seconds either.
const READY_TIME: Duration = Duration::from_secs(5);

/// How long an answer stays true enough. What was not ready is often ready a moment later, above all at the start.
const READY_FOR: Duration = Duration::from_millis(500);
const NOT_READY_FOR: Duration = Duration::from_millis(20);

/// `None` when the path is not a probe's.
pub(crate) async fn answer<A: App>(
    server: &Server<A>,
    request: &Request,
    context: &RequestContext,
) -> Option<Result<Response, ApiError>> {
    let path = PATHS.into_iter().find(|path| *path == request.uri().path())?;
    context.matched(path);
    if request.method() != Method::GET {
        return Some(Err(ApiError::method_not_allowed("GET, HEAD")));
    }
    let answer = match path {
        "/health" => health::<A>(),
        "/ready" => ready(server).await,
        _ => Ok(response::content(StatusCode::OK, "text/plain; version=0.0.4", meters::install().render())),
    };
    Some(answer.map(|mut response| {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }))
}

fn health<A: App>() -> Result<Response, ApiError> {
    let now = format!("{:.3}", Timestamp::now());
    response::json(StatusCode::OK, &json!({ "ok": true, "service": A::NAME, "timestamp": now }))
}

/// The last check of readiness. Whoever comes while one is under way waits for it, and whoever comes within
/// [`READY_FOR`] (or [`NOT_READY_FOR`]) is told the same, so that no number of probes asks much of the database.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Vec<String>)>>);

async fn reasons<A: App>(server: &Server<A>) -> Result<Vec<String>, ApiError> {
    let mut last = server.readiness.0.lock().await;
    if let Some((checked, reasons)) = &*last
        && checked.elapsed() < if reasons.is_empty() { READY_FOR } else { NOT_READY_FOR }
    {
        return Ok(reasons.clone());
    }
    let checked = panics::catch(timeout(READY_TIME, server.app.ready())).await;
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

async fn ready<A: App>(server: &Server<A>) -> Result<Response, ApiError> {
    let mut reasons = reasons(server).await?;
    // Asked last, because the shutdown may have begun during the check.
    if server.shutdown.is_triggered() {
        reasons.insert(0, "shutting down".to_owned());
    }
    if server.is_full() {
        reasons.push("no connection is free".to_owned());
    }
    // What every service says stands above what this one adds.
    let mut told = server.app.details();
    told.insert("ok".into(), reasons.is_empty().into());
    told.insert("service".into(), A::NAME.into());
    if reasons.is_empty() {
        return response::json(StatusCode::OK, &told);
    }
    told.insert("reasons".into(), reasons.into());
    response::json(StatusCode::SERVICE_UNAVAILABLE, &told)
}
