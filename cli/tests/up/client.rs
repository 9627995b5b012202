//! Minimal clients: one reads the feed, and one sends deliveries as GitHub does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::LIMIT;

async fn exchange(port: u16, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, driver) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(driver);
    sender.send_request(request).await
}

/// Sends a push with the signature that GitHub makes. Returns the status and the answer.
pub(crate) async fn push(port: u16, secret: &str, sha: &str) -> (u16, Value) {
    let body = json!({
        "ref": "refs/heads/vt/dev-cicdl-0042-up",
        "before": "0".repeat(40),
        "after": sha,
        "created": false, "deleted": false, "forced": false,
        "compare": "https://github.com/octo-org/octo-repo/compare/a...b",
        "commits": [],
        "head_commit": {
            "id": sha, "message": "Up", "timestamp": "2026-01-02T03:04:05Z",
            "url": "https://github.com/octo-org/octo-repo/commit/b",
        },
        "repository": {
            "full_name": "octo-org/octo-repo", "html_url": "https://github.com/octo-org/octo-repo",
        },
        "sender": {"login": "octocat"},
    })
    .to_string();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/webhooks/github")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-hub-signature-256", format!("sha256={hex}"))
        .body(Full::from(body))
        .unwrap();
    let (head, body) = exchange(port, request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

/// The status of a request to the health check, whose header `Host` has this name.
pub(crate) async fn health(port: u16, host: &str) -> u16 {
    let request = Request::get("/health").header("host", host).body(Full::default()).unwrap();
    exchange(port, request).await.unwrap().status().as_u16()
}

/// Whether the gateway on this port is ready.
pub(crate) async fn is_ready(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    drop(stream);
    let request = Request::builder().uri("/ready").header("host", "localhost");
    let answer = exchange(port, request.body(Full::default()).unwrap()).await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// A client of the feed.
pub(crate) struct Feed {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Feed {
    /// Opens the feed, and reads up to its first message.
    pub(crate) async fn open(port: u16) -> (Self, Value) {
        let request = Request::builder().uri("/api/v1/devhub/feed").header("host", "localhost");
        let response = exchange(port, request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut feed = Self { body: response.into_body(), buffer: Vec::new() };
        let connected = feed.message().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        (feed, connected)
    }

    /// The next message that has data.
    pub(crate) async fn message(&mut self) -> Value {
        self.message_within(LIMIT).await
    }

    pub(crate) async fn message_within(&mut self, limit: Duration) -> Value {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return serde_json::from_str(data).unwrap();
                }
                continue;
            }
            let frame = timeout(limit, self.body.frame()).await.expect("a message should arrive in time");
            let frame = frame.expect("the feed should not end").unwrap();
            self.buffer.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// The next event. Other messages before it are skipped.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if message.get("vtid").is_some() {
                return message;
            }
        }
    }

    /// The next event of the task `vtid`. Other events before it are skipped.
    pub(crate) async fn event_of(&mut self, vtid: &str) -> Value {
        loop {
            let event = self.event().await;
            if event["vtid"] == vtid {
                return event;
            }
        }
    }
}
