//! Tests of methods, paths, probes, errors and protocols.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use oasis_service::Limits;
use tokio::net::TcpStream;

use super::client::{Client, http2 as frames};
use super::sample::{ECHO_CAP, Running, start, within};

#[tokio::test]
async fn one_connection_serves_several_requests() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    for _ in 0..3 {
        let reply = client.get("/hello").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    }
    client.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\nGET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.reply().await.body, "hello");
    assert_eq!(client.reply().await.json()["service"], "sample");
    server.stop().await;
}

async fn http2(server: &Running) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: &str, path: &str, body: impl Into<Bytes>) -> hyper::Request<Full<Bytes>> {
    let uri = format!("http://sample{path}");
    hyper::Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn http2_works_with_prior_knowledge() {
    let server = start(Limits::default()).await;
    let mut sender = http2(&server).await;
    let response = within(sender.send_request(request("GET", "/hello", ""))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");

    let response = within(sender.send_request(request("HEAD", "/hello", ""))).await.unwrap();
    assert_eq!(response.headers()["content-length"], "5");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());

    let body = vec![b'a'; ECHO_CAP];
    let response = within(sender.send_request(request("POST", "/echo", body.clone()))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);

    let body = vec![b'a'; 10 * ECHO_CAP];
    let response = within(sender.send_request(request("POST", "/echo", body))).await.unwrap();
    assert_eq!(response.status(), 413);
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn http2_streams_finish_before_the_server_stops() {
    let server = start(Limits::default()).await;
    let mut sender = http2(&server).await;
    let response = tokio::spawn(sender.send_request(request("GET", "/slow", "")));
    within(server.app.entered.acquire()).await.unwrap().forget();
    server.shutdown.trigger();
    server.app.release.add_permits(1);
    let response = within(response).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
    server.stop().await;
}

/// Over HTTP/1, the field `Host` counts too.
#[tokio::test]
async fn a_request_with_more_than_100_header_fields_is_answered_with_431() {
    let server = start(Limits::default()).await;
    let mut sender = http2(&server).await;
    for (count, status, body) in [(100, 200, "hello"), (101, 431, "")] {
        let mut request = request("GET", "/hello", "");
        for nth in 0..count {
            let name = HeaderName::try_from(format!("a-{}", nth / 2)).unwrap();
            request.headers_mut().append(name, HeaderValue::from_static(""));
        }
        let response = within(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);

        let mut client = Client::connect(server.address).await;
        let fields = "a: \r\n".repeat(count - 1);
        client.send(format!("GET /hello HTTP/1.1\r\nhost: x\r\n{fields}\r\n")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body));
    }
    drop(sender);
    server.stop().await;
}

/// A client that does not wait until the server has room for a stream.
#[tokio::test]
async fn an_http2_connection_has_at_most_128_streams_at_a_time() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send(frames::BEGINNING).await;
    for nth in 0..128 {
        client.send(frames::get(2 * nth + 1, "/slow")).await;
    }
    within(server.app.entered.acquire_many(128)).await.unwrap().forget();
    client.send(frames::get(257, "/hello")).await;
    client.until(&frames::refused(257)).await;
    server.app.release.add_permits(1);
    client.until(b"done").await;
    client.send(frames::get(259, "/hello")).await;
    client.until(b"hello").await;
    server.app.release.add_permits(127);
    drop(client);
    server.stop().await;
}

/// A client that opens ever more streams on a connection gets its refusals after a wait. Other requests of
/// the connection do not wait, and neither does the shutdown.
#[tokio::test]
async fn refusals_of_too_many_streams_are_slow() {
    let server = start(Limits { max_endless: 1, ..Limits::default() }).await;
    let mut sender = http2(&server).await;
    let open = within(sender.send_request(request("GET", "/stream", ""))).await.unwrap();
    assert_eq!(open.status(), 200);
    let begun = Instant::now();
    for _ in 0..16 {
        let refused = within(sender.send_request(request("GET", "/stream", ""))).await.unwrap();
        assert_eq!(refused.status(), 503);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "one of the first refusals was late");
    let mut slow = tokio::spawn(sender.send_request(request("GET", "/stream", "")));
    assert_eq!(within(sender.send_request(request("GET", "/hello", ""))).await.unwrap().status(), 200);
    let wait = tokio::time::timeout(Duration::from_secs(1), &mut slow).await;
    assert!(wait.is_err(), "the refusal came at once");
    server.shutdown.trigger();
    assert_eq!(within(slow).await.unwrap().unwrap().status(), 503);
    drop((open, sender));
    server.stop().await;
}

#[tokio::test]
async fn a_hyper_client_gets_an_answer() {
    let server = start(Limits::default()).await;
    let socket = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/hello").header("host", "x").body(Empty::<Bytes>::new()).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain");
    drop((sender, response));
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_is_ambiguous_is_refused() {
    let server = start(Limits::default()).await;
    for (head, status) in [
        ("GET /hello HTTP/1.1\r\n", 400),
        ("GET /hello HTTP/1.1\r\nhost: x\r\nhost: x\r\n", 400),
        ("GET /hello HTTP/1.0\r\n", 200),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n", 415),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-encoding: identity\r\ncontent-length: 0\r\n", 200),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n", 415),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain; charset=utf-7\r\n", 415),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: a/b; x=y;Charset=\"ISO-8859-1\"\r\n", 415),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: a/b; charset = \"UTF-8\"\r\n", 200),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: a/b;charset=us-ascii; q\r\n", 200),
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(format!("{head}\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{head}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    server.stop().await;
}

#[tokio::test]
async fn errors_have_a_json_body_and_the_right_headers() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;

    let reply = client.get("/nowhere").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (404, "not_found"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json()["error"].get("hint"), None);

    for path in ["/hello", "/health", "/ready", "/metrics"] {
        client.send(format!("DELETE {path} HTTP/1.1\r\nhost: x\r\norigin: https://a\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.error_code().as_str()), (405, "method_not_allowed"));
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }

    let reply = client.get("/unavailable").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "database_unavailable"));
    assert_eq!(reply.json()["error"]["hint"], "try later");
    assert!(reply.header("retry-after").is_some());
    assert!(!reply.body.contains("password"));

    let reply = client.get("/hello?tokn=1").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "bad_parameter"));
    server.stop().await;
}

#[tokio::test]
async fn a_panic_is_answered_with_500_and_the_connection_stays_open() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let reply = client.get("/panic").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (500, "internal"));
    assert!(!reply.body.contains("went wrong\""));
    assert_eq!(client.get("/hello").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_head_request_gets_the_head_of_the_get_answer_but_no_body() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    for (path, length) in [("/hello", Some("5")), ("/health", None), ("/metrics", None)] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let reply = client.head().await;
        assert_eq!(reply.status, 200);
        if length.is_some() {
            assert_eq!(reply.header("content-length"), length);
        }
    }
    // If the HEAD response had a body, it would be read as the next response.
    assert_eq!(client.get("/hello").await.body, "hello");
    server.stop().await;
}
