//! Handles one request: probes, the route, errors and panics, and the line in the access log.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Body as _, Incoming};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, StatusCode, Version};
use oasis_core::chain;
use tracing::{Instrument, Level};

use crate::activity::InFlight;
use crate::body::{self, Reserved};
use crate::request_id::X_REQUEST_ID;
use crate::server::Server;
use crate::tracked_body::TrackedBody;
use crate::{ApiError, App, Request, RequestContext, Response, meters, panics, probes, response};

/// The number of streams that are refused at once on one connection. Later refusals come after a wait.
const PROMPT_REFUSALS: u32 = 16;
const REFUSED_AFTER: Duration = Duration::from_secs(10);
/// The maximum number of header fields of a request, which is hyper's limit for HTTP/1. A field over HTTP/2
/// can be one byte on the wire and a hundred in memory.
const MAX_HEADER_FIELDS: usize = 100;
/// The maximum lengths of a method and a path in the log, in bytes.
const MAX_LOGGED_METHOD: usize = 32;
const MAX_LOGGED_PATH: usize = 512;

/// The part of an access log line that describes a failure.
struct Failure {
    code: &'static str,
    causes: Option<String>,
}

impl Failure {
    /// For a status below 500, only the causes are logged, because the message may repeat what the caller
    /// sent. For example, the message may repeat a token that was sent under a mistyped name.
    fn of(error: &ApiError) -> Self {
        let causes = if error.status().is_server_error() {
            Some(chain(error))
        } else {
            std::error::Error::source(error).map(chain)
        };
        Self { code: error.code(), causes }
    }
}

/// Reserves memory for a request that has a body. This and [`refuse`] happen before the request has a task.
/// Otherwise, requests that wait for the processors would use memory without a bound.
///
/// # Errors
/// [`Refusal`] if the request has too many header fields, or when the memory of request bodies is exhausted.
pub(crate) fn admit<A: App>(
    server: &Server<A>,
    request: &hyper::Request<Incoming>,
) -> Result<Option<Reserved>, Refusal> {
    if request.headers().len() > MAX_HEADER_FIELDS {
        return Err(Refusal::TooManyFields);
    }
    if request.body().is_end_stream() {
        return Ok(None);
    }
    Reserved::new(&server.budget, body::request_bytes(request)).map(Some).map_err(Refusal::Overloaded)
}

/// Why a request is not admitted.
pub(crate) enum Refusal {
    TooManyFields,
    Overloaded(ApiError),
}

/// Drops a request that is not admitted, and makes the answer to it.
pub(crate) fn refuse<A: App>(
    server: &Server<A>,
    in_flight: InFlight,
    peer: SocketAddr,
    request: Request,
    refusal: Refusal,
) -> hyper::Response<TrackedBody> {
    let context = RequestContext::new(&request, peer, in_flight, Arc::clone(&server.budget), &server.limits);
    drop(request);
    let span = tracing::error_span!("request", request_id = context.request_id());
    let route = A::resolve(context.path());
    let answer = match refusal {
        // Over HTTP/1, hyper gives this answer itself.
        Refusal::TooManyFields => Ok(response::status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
        Refusal::Overloaded(error) => Err(error),
    };
    let response = span.in_scope(|| finish(server, &route, &context, Instant::now(), answer));
    response.map(|body| TrackedBody::new(body, context.into_in_flight()))
}

pub(crate) async fn dispatch<A: App>(
    server: Arc<Server<A>>,
    in_flight: InFlight,
    peer: SocketAddr,
    spare: bool,
    request: Request,
) -> hyper::Response<TrackedBody> {
    let context = RequestContext::new(&request, peer, in_flight, Arc::clone(&server.budget), &server.limits);
    // The span has the level error. If a filter lets a line of the request through, the filter also lets the
    // span with the request id through.
    let span = tracing::error_span!("request", request_id = context.request_id());
    let response = respond(&server, &context, spare, request).instrument(span).await;
    let mut in_flight = context.into_in_flight();
    if !response.body().is_endless() {
        in_flight.free_place();
    }
    response.map(|body| TrackedBody::new(body, in_flight))
}

async fn respond<A: App>(
    server: &Server<A>,
    context: &RequestContext,
    spare: bool,
    mut request: Request,
) -> Response {
    let started = Instant::now();
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
    }
    let route = A::resolve(context.path());
    let answer = answer(server, &route, context, spare, request).await;
    // If the route has not reserved a place for its stream and there is none, the stream ends here.
    let answer = answer.and_then(|response| {
        if response.body().is_endless() { context.reserve_stream().map(|()| response) } else { Ok(response) }
    });
    if context.in_flight().was_refused() {
        slow_down(server, context.in_flight()).await;
    }
    finish(server, &route, context, started, answer)
}

/// Makes the response, and counts and logs it.
fn finish<A: App>(
    server: &Server<A>,
    route: &A::Route,
    context: &RequestContext,
    started: Instant,
    answer: Result<Response, ApiError>,
) -> Response {
    let admitted = answer.and_then(|response| server.answers.admit(response));
    let (mut response, failure) = match admitted {
        Ok(response) => (response, None),
        Err(error) => {
            let failure = Failure::of(&error);
            (error.into_response(), Some(failure))
        }
    };
    if context.method() == Method::HEAD {
        response = without_body(response);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, context.request_id_header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    server.app.decorate(route, context, headers);

    let time = started.elapsed();
    meters::request(A::NAME, context.method(), context.route(), response.status(), time);
    log_access(A::NAME, context, &response, failure, time.as_secs_f64() * 1000.0);
    response
}

/// Delays the refusal if the client keeps opening streams on a connection. Without the delay, it could keep
/// the processors busy with refusals.
async fn slow_down<A: App>(server: &Server<A>, in_flight: &InFlight) {
    if in_flight.record_refused_endless() > PROMPT_REFUSALS {
        tokio::select! {
            () = tokio::time::sleep(REFUSED_AFTER) => {}
            () = server.shutdown.triggered() => {}
        }
    }
}

async fn answer<A: App>(
    server: &Server<A>,
    route: &A::Route,
    context: &RequestContext,
    spare: bool,
    request: Request,
) -> Result<Response, ApiError> {
    check_headers(&request)?;
    if let Some(hosts) = &server.hosts
        && !hosts.accept(request.uri(), request.headers())
    {
        return Err(ApiError::forbidden(
            "host_not_allowed",
            "header `Host`: the name is not a name of this machine",
        )
        .hint("use http://localhost, or start `oasis up` with --allow-host NAME"));
    }
    if let Some(answer) = probes::answer(server, &request, context).await {
        return answer;
    }
    if spare {
        return Err(ApiError::overloaded("too many connections are open")
            .header(hyper::header::CONNECTION, HeaderValue::from_static("close")));
    }
    match panics::catch(pin!(server.app.route(route, request, context))).await {
        Ok(answer) => answer,
        Err(panic) => Err(ApiError::internal(panic)),
    }
}

/// Refuses a request whose target or body has more than one meaning.
///
/// # Errors
/// 400 if an HTTP/1.1 request has no header `Host` or several (RFC 9112, section 3.2); 415 if the body is
/// compressed or encoded in another way, or if its text is not in UTF-8, because no route decodes it.
fn check_headers(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(ApiError::bad_request("bad_header", "header `Host`: expected exactly one"));
    }
    let is_plain = |name, plain: &str| {
        headers.get_all(name).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
    };
    if !(is_plain(CONTENT_ENCODING, "identity") && is_plain(TRANSFER_ENCODING, "chunked")) {
        let error = ApiError::unsupported_media_type("the body is encoded");
        return Err(error.hint("send the body without an encoding"));
    }
    if headers.get_all(CONTENT_TYPE).iter().all(|value| is_utf8(value.as_bytes())) {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type("the charset of the body is not UTF-8").hint("send UTF-8"))
}

/// Whether a media type has no parameter `charset`, or one whose texts are also valid UTF-8.
fn is_utf8(media_type: &[u8]) -> bool {
    media_type.split(|byte| *byte == b';').skip(1).all(|parameter| {
        let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { return true };
        let charset = parameter[at + 1..].trim_ascii();
        let charset =
            charset.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(charset);
        let accepted: [&[u8]; 3] = [b"utf-8", b"utf8", b"us-ascii"];
        !parameter[..at].trim_ascii().eq_ignore_ascii_case(b"charset")
            || accepted.iter().any(|name| charset.eq_ignore_ascii_case(name))
    })
}

/// Removes the body of an answer to HEAD, but keeps the body's length as `Content-Length`. Otherwise, hyper
/// would send the body over HTTP/2.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && !parts.headers.contains_key(CONTENT_LENGTH)
        && parts.status != StatusCode::NO_CONTENT
    {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, response::empty())
}

fn log_access(
    service: &'static str,
    context: &RequestContext,
    response: &Response,
    failure: Option<Failure>,
    duration_ms: f64,
) {
    let status = response.status();
    let is_probe = probes::PATHS.contains(&context.route());
    let level = match status.as_u16() {
        503 if is_probe => Level::DEBUG,
        503 => Level::WARN,
        500.. => Level::ERROR,
        _ if is_probe => Level::DEBUG,
        _ => Level::INFO,
    };
    let method = clipped(context.method().as_str(), MAX_LOGGED_METHOD);
    let path = clipped(context.path(), MAX_LOGGED_PATH);
    let bytes = response.body().size_hint().exact();
    let code = failure.as_ref().map(|failure| failure.code);
    let error = failure.as_ref().and_then(|failure| failure.causes.as_deref());
    // The level is part of an event's static metadata, so each level needs a separate call.
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                target: "access",
                $level,
                service,
                method,
                path,
                status = status.as_u16(),
                duration_ms,
                bytes,
                code,
                error,
                "{method} {path} {}",
                status.as_u16()
            )
        };
    }
    match level {
        Level::ERROR => line!(Level::ERROR),
        Level::WARN => line!(Level::WARN),
        Level::INFO => line!(Level::INFO),
        _ => line!(Level::DEBUG),
    }
}

/// Cuts a long text for the log, between two characters.
fn clipped(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
