//! A fake gateway that has rooms, and the runs of agents that send to it.

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::process::Command;
use std::sync::{Arc, Mutex};

use hyper::{Method, StatusCode};
use oasis_service::{
    ApiError, App, Limits, NotReady, Presented, Request, RequestContext, Response, Shutdown, Tokens, bearer,
    response, serve,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};

use crate::{PAUSE, agent, until_async};

/// What a fake gateway has received.
#[derive(Default)]
pub(crate) struct Received {
    /// The body that opened each room.
    pub(crate) rooms: BTreeMap<String, Value>,
    /// The lines of all rooms.
    pub(crate) lines: Vec<Value>,
    /// The number of lines of each batch.
    pub(crate) batches: Vec<usize>,
    /// The `meta` of each ping.
    pub(crate) pings: Vec<Value>,
    keys: HashSet<String>,
    /// The answers to the next batches. The last of these answers is used first. Once there are none, batches
    /// are accepted.
    pub(crate) refusals: Vec<Refusal>,
}

/// An answer other than success.
pub(crate) enum Refusal {
    /// The gateway refuses the batch with this status, code and message.
    Refuse(u16, &'static str, &'static str),
    /// The gateway stores the batch, but reports that the outcome is not known.
    LoseAnswer,
}

fn refuse(status: u16, code: &str, message: &str) -> Result<Response, ApiError> {
    response::json(
        StatusCode::from_u16(status).unwrap(),
        &json!({ "error": { "code": code, "message": message } }),
    )
}

struct Rooms {
    tokens: Tokens,
    received: Arc<Mutex<Received>>,
}

impl App for Rooms {
    const NAME: &'static str = "rooms";

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(&self, (): &(), request: Request, context: &RequestContext) -> Result<Response, ApiError> {
        if !matches!(bearer(request.headers()), Presented::Token(token) if self.tokens.accept(token)) {
            return Err(ApiError::unauthorized("bad_token", "this token may not write"));
        }
        let (head, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&context.read_body(body, 20 << 20).await?).unwrap();
        let mut received = self.received.lock().unwrap();
        let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        match (head.method, &path[..]) {
            (Method::POST, ["hub", "events", "ingest"]) => {
                received.pings.push(body["meta"].clone());
                response::json(StatusCode::CREATED, &json!({ "ok": true }))
            }
            (Method::PUT, ["hub", "api", "v1", "rooms", id]) => {
                received.rooms.insert((*id).to_owned(), body);
                response::json(StatusCode::CREATED, &json!({ "id": id }))
            }
            (Method::POST, ["hub", "api", "v1", "rooms", id, "logs"]) => {
                if !received.rooms.contains_key(*id) {
                    return refuse(404, "unknown_room", "there is no such room");
                }
                let lost = match received.refusals.pop() {
                    Some(Refusal::Refuse(status, code, message)) => return refuse(status, code, message),
                    Some(Refusal::LoseAnswer) => true,
                    None => false,
                };
                let lines = body.as_array().unwrap().clone();
                assert!((1..=1_000).contains(&lines.len()), "{}", lines.len());
                let key = head.headers["idempotency-key"].to_str().unwrap().to_owned();
                if received.keys.insert(key) {
                    received.batches.push(lines.len());
                    received.lines.extend(lines);
                }
                if lost {
                    return refuse(503, "outcome_unknown", "the answer was lost");
                }
                response::json(StatusCode::CREATED, &json!({ "accepted": body.as_array().unwrap().len() }))
            }
            other => panic!("{other:?}"),
        }
    }

    async fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }
}

/// Listens again on a port. While no gateway listens, a connection of another test can have the same port.
async fn bind_again(port: u16) -> TcpListener {
    loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::time::sleep(PAUSE).await,
            bound => return bound.unwrap(),
        }
    }
}

/// A fake gateway and a folder for sockets.
pub(crate) struct Setup {
    pub(crate) home: TempDir,
    pub(crate) received: Arc<Mutex<Received>>,
    port: u16,
    /// The socket that reserves the port until the gateway listens. Connections to it are refused.
    reserved: Mutex<Option<TcpSocket>>,
    shutdown: Shutdown,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        let setup = Self::away().await;
        setup.listen().await;
        setup
    }

    /// A gateway that does not listen yet.
    pub(crate) async fn away() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (home, shutdown) = (tempfile::tempdir().unwrap(), Shutdown::manual());
        Self { home, received: Arc::default(), port, reserved: Mutex::new(Some(socket)), shutdown }
    }

    /// Starts the gateway.
    pub(crate) async fn listen(&self) {
        let app = Rooms { tokens: "s3cret".parse().unwrap(), received: Arc::clone(&self.received) };
        let reserved = self.reserved.lock().unwrap().take();
        let listener = match reserved {
            Some(socket) => socket.listen(1_024).unwrap(),
            None => bind_again(self.port).await,
        };
        tokio::spawn(serve(Arc::new(app), listener, Limits::default(), self.shutdown.clone()));
    }

    /// Stops the gateway, and waits until it accepts no more connections.
    pub(crate) async fn stop(&mut self) {
        std::mem::replace(&mut self.shutdown, Shutdown::manual()).trigger();
        let port = self.port;
        until_async("the gateway accepts no more connections", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()
        })
        .await;
    }

    /// An agent whose command's output goes to the room `build`.
    pub(crate) fn agent(&self, flags: &[&str]) -> Command {
        let mut command = agent(self.home.path(), &["--agent", "planner", "--room", "build"]);
        let url = format!("http://127.0.0.1:{}/hub", self.port);
        command.args(flags).env("GATEWAY_URL", url).env("INGEST_TOKEN", "s3cret");
        command
    }

    /// The level and the message of each line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = &self.received.lock().unwrap().lines;
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        lines.iter().map(|line| format!("{} {}", text(line, "level"), text(line, "message"))).collect()
    }

    pub(crate) async fn until_lines(&self, expected: &[&str]) {
        until_async(&format!("{expected:?}"), async || self.lines() == expected).await;
    }
}
