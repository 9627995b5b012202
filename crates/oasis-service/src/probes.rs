//! The probes: endpoints that the server answers for every service.
//!
//! - `GET /health` returns 200 while the process is alive.
//! - `GET /ready` returns 200 if the service can do its job now, else 503. Some clients also get the reasons.
//! - `GET /metrics` returns the metrics as Prometheus text. The service may have a port of its own for them.

use hyper::header::{CACHE_CONTROL, FORWARDED, HeaderValue, VIA};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::listeners::names_loopback;
use crate::server::{Probes, Server};
use crate::{
    ApiError, App, Disclosure, Presented, Request, RequestContext, Response, bearer, meters, response,
};

pub(crate) const PATHS: [&str; 3] = ["/health", "/ready", METRICS];
const METRICS: &str = "/metrics";

/// The reason that everyone may read.
const HIDDEN: &str = "the log of the service has the reasons; this answer has them for a client on the same \
                      machine, and at gateway-feed for one of READ_TOKENS";

/// Answers a probe. Returns `None` if the path does not belong to a probe of this port.
pub(crate) async fn answer<A: App>(
    server: &Server<A>,
    request: &Request,
    context: &RequestContext,
) -> Option<Result<Response, ApiError>> {
    let path = PATHS.into_iter().find(|path| *path == request.uri().path())?;
    if server.probes == Probes::OnlyMetrics && path != METRICS {
        return None;
    }
    context.matched(path);
    if request.method() != Method::GET {
        return Some(Err(ApiError::method_not_allowed("GET, HEAD")));
    }
    let disclosure =
        || if is_local(request, context) { Disclosure::Full } else { server.app.disclosure(request) };
    let answer = match path {
        "/health" => health::<A>(),
        // Boxed. Otherwise, the future of every request would be large enough for this one.
        "/ready" => Box::pin(ready(server, disclosure())).await,
        _ => metrics(server, server.app.disclosure(request), request),
    };
    Some(answer.map(|mut response| {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }))
}

/// Whether the client runs on this machine. A request that a proxy has forwarded can come from anywhere, and
/// so can a request for another name or address: a web page can make its own name point to this machine, and
/// a proxy may pass on the header `Host`.
fn is_local(request: &Request, context: &RequestContext) -> bool {
    let headers = request.headers();
    let is_forwarded = headers.contains_key(FORWARDED)
        || headers.contains_key(VIA)
        || ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]
            .iter()
            .any(|name| headers.contains_key(*name));
    context.peer().ip().is_loopback() && !is_forwarded && names_loopback(request.uri(), headers)
}

fn health<A: App>() -> Result<Response, ApiError> {
    let now = format!("{:.3}", Timestamp::now());
    response::json(StatusCode::OK, &json!({ "ok": true, "service": A::NAME, "timestamp": now }))
}

async fn ready<A: App>(server: &Server<A>, disclosure: Disclosure) -> Result<Response, ApiError> {
    let mut reasons = server.readiness.reasons(&*server.app).await?;
    // This comes after the readiness check, because the shutdown may have begun during the check.
    if server.shutdown.is_triggered() {
        reasons.insert(0, "shutting down".to_owned());
    }
    if server.connections.is_full() {
        reasons.push("no connection is free".to_owned());
    }
    // These members are inserted after the details of the app, so that they replace details of the same name.
    let mut answer = server.app.details(disclosure);
    answer.insert("ok".into(), reasons.is_empty().into());
    answer.insert("service".into(), A::NAME.into());
    if reasons.is_empty() {
        return response::json(StatusCode::OK, &answer);
    }
    let shown = if disclosure == Disclosure::Full { reasons } else { vec![HIDDEN.to_owned()] };
    answer.insert("reasons".into(), shown.into());
    response::json(StatusCode::SERVICE_UNAVAILABLE, &answer)
}

fn metrics<A: App>(
    server: &Server<A>,
    disclosure: Disclosure,
    request: &Request,
) -> Result<Response, ApiError> {
    if server.probes == Probes::WithoutMetrics {
        return Err(
            ApiError::not_found().hint("this service has a port of its own for its metrics (METRICS_PORT)")
        );
    }
    if disclosure == Disclosure::None {
        // gateway-feed also takes a token from the query.
        let mut query = request.uri().query().unwrap_or_default().split('&');
        let has_token =
            bearer(request.headers()) != Presented::Nothing || query.any(|pair| pair.starts_with("token="));
        let code = if has_token { "bad_token" } else { "token_missing" };
        return Err(ApiError::unauthorized(code, "reading the metrics needs one of READ_TOKENS")
            .hint("send the header Authorization: Bearer …, or use METRICS_PORT"));
    }
    Ok(response::made(StatusCode::OK, "text/plain; version=0.0.4", meters::install().render().into_bytes()))
}
