//! A client that keeps its connection open, and a load of senders that repeat each delivery until it is
//! accepted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use ring::digest;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::payloads::variant;
use crate::process::POLL;
use crate::server::{Answer, JSON, SECRET, sign};

/// The time limit for an answer. The receiver answers within 8 s. The additional second allows for a busy
/// machine.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(9);

/// A client with one connection. If the connection breaks, the client opens a new one.
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Sends one request. Returns `None` if nothing listens or the connection breaks before the answer.
    pub(crate) async fn attempt(&mut self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let exchange = async {
            let mut connection = match self.connection.take().filter(|connection| !connection.is_closed()) {
                Some(connection) => connection,
                None => {
                    let stream = TcpStream::connect(self.address).await.ok()?;
                    let (connection, driver) = handshake(TokioIo::new(stream)).await.ok()?;
                    tokio::spawn(driver);
                    connection
                }
            };
            connection.ready().await.ok()?;
            let (head, body) = connection.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            self.connection = Some(connection);
            let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
            let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
            Some(Answer { status: head.status, headers: head.headers, body })
        };
        timeout(ANSWERED_WITHIN, exchange).await.expect("the receiver should answer in time")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Option<Answer> {
        let request = Request::builder().uri(path).header("host", "localhost");
        self.attempt(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn deliver(&mut self, push: &Push) -> Option<Answer> {
        self.attempt(push.request()).await
    }
}

/// A delivery that differs from every other delivery.
#[derive(Clone)]
pub(crate) struct Push {
    sha: String,
    body: Bytes,
}

impl Push {
    /// Makes the delivery with this number. Its body has at least `size` bytes.
    pub(crate) fn new(number: usize, size: usize) -> Self {
        let sha = format!("{number:040x}");
        let plain = variant("push.branch", &[("/after", json!(sha)), ("/head_commit/id", json!(sha))]);
        let padding = "x".repeat(size.saturating_sub(plain.len()));
        let changes = [("/after", json!(sha)), ("/head_commit/id", json!(sha)), ("/padding", json!(padding))];
        Self { body: variant("push.branch", &changes).into(), sha }
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        Request::builder()
            .method(Method::POST)
            .uri("/webhooks/github")
            .header("host", "localhost")
            .header("content-type", JSON)
            .header("x-github-event", "push")
            .header("x-hub-signature-256", sign(SECRET, &self.body))
            .body(Full::new(self.body.clone()))
            .unwrap()
    }

    /// The dedup key and the commit in the row of this delivery.
    pub(crate) fn stored(&self) -> (String, String) {
        let digest = digest::digest(&digest::SHA256, &self.body);
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        (format!("github:push:{hex}"), self.sha.clone())
    }
}

/// The rows of the table in the form of [`Push::stored`], sorted.
pub(crate) async fn stored(database_url: &str) -> Vec<(String, String)> {
    let (client, connection) = tokio_postgres::connect(database_url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT dedup_key, meta ->> 'sha' FROM oasis_events ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Checks that the table has each of the accepted deliveries `taken` once, and no other deliveries. The
/// failure message lists only the differences.
pub(crate) async fn assert_stored(database_url: &str, taken: &[(String, String)]) {
    let stored = stored(database_url).await;
    let missing: Vec<_> = taken.iter().filter(|push| stored.binary_search(push).is_err()).collect();
    let more: Vec<_> = stored.iter().filter(|push| taken.binary_search(push).is_err()).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing: {missing:?}; never accepted: {more:?}");
    assert_eq!(stored.len(), taken.len(), "a delivery is stored twice");
}

/// Concurrent senders. Each sender sends different deliveries, one after the other, and repeats each delivery
/// until it is accepted.
pub(crate) struct Load {
    senders: JoinSet<Vec<(String, String)>>,
    taken: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
}

impl Load {
    pub(crate) fn start(senders: usize, address: SocketAddr) -> Self {
        let (count, taken) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let count = Arc::new(count);
        let sender = |sender: usize| {
            let (count, stopped) = (count.clone(), stopped.clone());
            async move {
                let mut client = Client::new(address);
                let mut done = Vec::new();
                while !*stopped.borrow() {
                    let push = Push::new(sender << 32 | done.len(), 0);
                    until_taken(&mut client, &push).await;
                    done.push(push.stored());
                    count.send_modify(|count| *count += 1);
                }
                done
            }
        };
        Self { senders: (0..senders).map(sender).collect(), taken, stop }
    }

    /// Waits until this many more deliveries are accepted.
    pub(crate) async fn wait_for_more(&mut self, more: usize) {
        let wanted = *self.taken.borrow() + more;
        let reached = timeout(Duration::from_secs(60), self.taken.wait_for(|taken| *taken >= wanted));
        reached.await.expect("deliveries should be accepted").expect("the senders should still run");
    }

    /// Lets every sender finish its delivery, and returns all accepted deliveries in the form of
    /// [`Push::stored`], sorted.
    pub(crate) async fn finish(self) -> Vec<(String, String)> {
        self.stop.send_replace(true);
        let mut all = self.senders.join_all().await.concat();
        all.sort();
        all
    }
}

/// Sends a delivery until it is accepted. Until then, each attempt must be answered with 503, or the
/// connection must break.
async fn until_taken(client: &mut Client, push: &Push) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match client.deliver(push).await {
            Some(answer) if answer.status == 200 => {
                assert_eq!(answer.body["ok"], true, "{}", answer.body);
                return;
            }
            Some(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.body);
                answer.refusal();
            }
            None => {}
        }
        assert!(Instant::now() < deadline, "a delivery was not accepted for a minute");
        tokio::time::sleep(POLL).await;
    }
}
