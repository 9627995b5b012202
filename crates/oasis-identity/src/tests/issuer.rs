//! An issuer for tests: an HTTP server on this machine that publishes a JWK set.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::claims::Rules;
use crate::jwks::{Jwks, JwksUrl, Pace};
use crate::keys::Keys;
use crate::seen::Seen;

/// A server that counts its requests. It stops when it is dropped.
pub(super) struct Issuer {
    shared: Arc<Shared>,
    port: u16,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// The whole answer. If it is empty, the server never answers.
    answer: Mutex<Vec<u8>>,
    requests: AtomicUsize,
    last_head: Mutex<String>,
}

impl Issuer {
    /// Publishes these keys.
    pub(super) async fn with(keys: &[serde_json::Value]) -> Self {
        let issuer = Self::on("127.0.0.1:0").await;
        issuer.publish(keys);
        issuer
    }

    async fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&shared)));
        Self { shared, port, tasks }
    }

    /// Publishes these keys instead of the previous keys.
    pub(super) fn publish(&self, keys: &[serde_json::Value]) {
        self.answer("200 OK", "", &serde_json::json!({"keys": keys}).to_string());
    }

    /// Gives this answer to all further requests.
    pub(super) fn answer(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        *self.shared.answer.lock().unwrap() = answer.into_bytes();
    }

    /// Accepts further connections, but does not answer.
    pub(super) fn hang(&self) {
        self.shared.answer.lock().unwrap().clear();
    }

    /// Refuses connections until [`Issuer::come_up`].
    pub(super) async fn go_down(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(super) async fn come_up(&mut self) {
        // In the meantime, a connection of another test can have got the port.
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", self.port)).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::task::yield_now().await,
                bound => break bound.unwrap(),
            }
        };
        self.tasks.spawn(serve(listener, Arc::clone(&self.shared)));
    }

    pub(super) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The head of the last request.
    pub(super) fn last_head(&self) -> String {
        self.shared.last_head.lock().unwrap().clone()
    }

    pub(super) fn url(&self) -> JwksUrl {
        format!("http://127.0.0.1:{}/certs?realm=oasis", self.port).parse().unwrap()
    }

    /// Keys that follow this issuer. Requests may begin after a few milliseconds, so a test need not wait for
    /// 30 s.
    pub(super) fn keys(&self) -> Keys {
        let second = Duration::from_secs(1);
        let pace = Pace { fresh: second * 600, apart: Duration::from_millis(20), limit: second * 5 };
        self.keys_at(pace)
    }

    pub(super) fn keys_at(&self, pace: Pace) -> Keys {
        let jwks = Some(Jwks::start_at(self.url(), pace));
        Keys { keys: Vec::new(), jwks, signing: None, rules: Rules::default(), seen: Seen::default() }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&shared)));
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    shared.requests.fetch_add(1, Ordering::SeqCst);
    *shared.last_head.lock().unwrap() = String::from_utf8(head).unwrap();
    let answer = shared.answer.lock().unwrap().clone();
    if answer.is_empty() {
        std::future::pending::<()>().await;
    }
    // The client may have disconnected.
    let _ = stream.write_all(&answer).await;
}
