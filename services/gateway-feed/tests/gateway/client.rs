//! An HTTP client for the tests, and a reader of the feed. They check that each answer and each event of a
//! stream is as `openapi/` describes it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::response::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use oasis_contract::Events;
use oasis_core::parse_json;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        parse_json(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The code and the message of an error.
    pub(crate) fn error(&self) -> (String, String) {
        let error = &self.json()["error"];
        (error["code"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    }
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let response = exchange(address, request(method, path, headers, body)).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let described = described(method, path, head.status, &head.headers);
    described.check(&body).unwrap_or_else(|problem| panic!("{problem}"));
    Answer { status: head.status, headers: head.headers, body }
}

/// An answer whose description is to be compared.
fn described<'a>(
    method: &'a str,
    target: &'a str,
    status: StatusCode,
    headers: &'a HeaderMap,
) -> oasis_contract::Answer<'a> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
    oasis_contract::Answer { method, target, status: status.as_u16(), content_type }
}

/// The pause before a test asks again whether something has happened. Without it, a test that waits takes a
/// processor from the others, whose gateways then reach their time limits.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, &[], "").await
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Answer {
    send(address, "POST", path, &[("content-type", "application/json")], body).await
}

/// One block of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Event { id: Option<i64>, data: Value },
    Cursor(i64),
    Comment,
    Retry,
}

pub(crate) struct Feed {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    buffer: Vec<u8>,
    /// The events that `openapi/` describes; `None` if the answer is an error.
    events: Option<Events>,
}

impl Feed {
    pub(crate) async fn open(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        Self::open_path(address, &format!("/api/v1/devhub/feed{query}"), headers).await
    }

    /// Opens the stream at `path`.
    pub(crate) async fn open_path(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let response = exchange(address, request("GET", path, headers, "")).await;
        assert_eq!(response.status(), 200);
        Self::new(path, response)
    }

    /// As [`Feed::open_path`], but any status is accepted. `None` if the gateway does not run.
    pub(crate) async fn try_open_path(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Option<Self> {
        let stream = TokioIo::new(TcpStream::connect(address).await.ok()?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.ok()?;
        tokio::spawn(connection);
        let response = sender.send_request(request("GET", path, headers, "")).await.ok()?;
        Some(Self::new(path, response))
    }

    fn new(path: &str, response: Response<Incoming>) -> Self {
        let (Parts { status, headers, .. }, body) = response.into_parts();
        let answer = described("GET", path, status, &headers);
        let events = if status == StatusCode::OK {
            answer.events().map(Some)
        } else {
            answer.check_head().map(|()| None)
        };
        let events = events.unwrap_or_else(|problem| panic!("{problem}"));
        Self { status, headers, body, buffer: Vec::new(), events }
    }

    /// Stops checking the events. Only SQL can write rows whose events `openapi/` does not describe.
    pub(crate) fn unchecked(mut self) -> Self {
        self.events = None;
        self
    }

    /// The next block; `None` at a clean end, an error if the connection broke.
    pub(crate) async fn block(&mut self) -> Result<Option<Block>, hyper::Error> {
        Ok(self.text().await?.map(|block| parse(&block)))
    }

    /// The text of the next block; `None` at a clean end, an error if the connection broke.
    pub(crate) async fn text(&mut self) -> Result<Option<String>, hyper::Error> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if let Some(events) = &self.events {
                    events.check(&block[..end]).unwrap_or_else(|problem| panic!("{problem}"));
                }
                return Ok(Some(block));
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame());
            match frame.await.expect("no data arrived within 60 s") {
                Some(frame) => self.buffer.extend_from_slice(&frame?.into_data().unwrap()),
                None => return Ok(None),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Block {
        self.block().await.unwrap().expect("the stream ended, but another block was expected")
    }

    /// The data of the next message.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            if let Block::Event { data, .. } = self.next().await {
                return data;
            }
        }
    }

    /// The id and the data of the next stored event. Messages without an id are skipped.
    pub(crate) async fn event(&mut self) -> (i64, Value) {
        loop {
            if let Block::Event { id: Some(id), data } = self.next().await {
                return (id, data);
            }
        }
    }

    pub(crate) async fn ids(&mut self, count: usize) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.event().await.0);
        }
        ids
    }

    /// Reads the first message. Its type must be `connected`.
    pub(crate) async fn connected(&mut self) -> Value {
        let message = self.message().await;
        assert_eq!(message["type"], "connected", "{message}");
        message
    }
}

fn parse(block: &str) -> Block {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let id = field("id: ").map(|id| id.parse().unwrap());
    match (field("data: "), id) {
        (Some(data), id) => Block::Event { id, data: serde_json::from_str(data).unwrap() },
        (None, Some(id)) => Block::Cursor(id),
        (None, None) if block.starts_with("retry: ") => Block::Retry,
        (None, None) => {
            assert!(block.starts_with(':'), "{block:?}");
            Block::Comment
        }
    }
}
