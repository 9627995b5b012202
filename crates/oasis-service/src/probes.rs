//! The probes: endpoints that the server answers for every service.
//!
//! - `GET /health` returns 200 while the process is alive.
//! - `GET /ready` returns 200 if the service can do its job now, or 503 with the reasons.
//! - `GET /metrics` returns the metrics as Prometheus text.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::server::Server;
use crate::{ApiError, App, Request, RequestContext, Response, meters, response};

pub(crate) const PATHS: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Answers a probe. Returns `None` if the path does not belong to a probe.
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

async fn ready<A: App>(server: &Server<A>) -> Result<Response, ApiError> {
    let mut reasons = server.readiness.reasons(&*server.app).await?;
    // This comes after the readiness check, because the shutdown may have begun during the check.
    if server.shutdown.is_triggered() {
        reasons.insert(0, "shutting down".to_owned());
    }
    if server.connections.is_full() {
        reasons.push("no connection is free".to_owned());
    }
    // These members are inserted after the details of the app, so that they replace details of the same name.
    let mut answer = server.app.details();
    answer.insert("ok".into(), reasons.is_empty().into());
    answer.insert("service".into(), A::NAME.into());
    if reasons.is_empty() {
        return response::json(StatusCode::OK, &answer);
    }
    answer.insert("reasons".into(), reasons.into());
    response::json(StatusCode::SERVICE_UNAVAILABLE, &answer)
}
