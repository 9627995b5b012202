//! A receiver with its own database, and a client that signs requests as GitHub does.

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header::HeaderMap};
use hyper_util::rt::TokioIo;
use oasis_postgres::testing::{self, TestDatabase};
use oasis_service::Shutdown;
use oasis_store::DatabaseUrl;
use ring::hmac;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;
use webhook_ingest::{Config, run};

pub(crate) const SECRET: &str = "It's a Secret to Everybody";
pub(crate) const JSON: &str = "application/json";

/// A running receiver.
pub(crate) struct Server {
    address: String,
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
    database: TestDatabase,
}

/// An answer of the receiver.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// JSON, or the text of a body that is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The status and the code of an error answer.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let code = self.body["error"]["code"].as_str();
        (self.status.as_u16(), code.unwrap_or_else(|| panic!("the answer is not an error: {}", self.body)))
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a receiver with additional flags.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let migrate = async |url: &str| oasis_store::migrate(&url.parse::<DatabaseUrl>().unwrap()).await;
        let database = testing::database(migrate).await;
        let url = database.url.clone();
        Self::start_on(database, &url, flags).await
    }

    /// Starts a receiver with the database URL `url`. There may be no database at this URL. [`Server::rows`]
    /// reads from `database`.
    pub(crate) async fn start_on(database: TestDatabase, url: &str, flags: &[&str]) -> Self {
        let own = ["webhook-ingest", "--database-url", url, "--github-webhook-secret", SECRET];
        let config = Config::try_parse_from(own.iter().chain(flags)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shutdown = Shutdown::manual();
        let task = tokio::spawn(run(config, listener, shutdown.clone()));
        Self { address, shutdown, task, database }
    }

    /// Sends a request with the `Host` header and `headers`. The answer must be as `openapi/` describes it.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &[u8])],
        body: impl Into<Bytes>,
    ) -> Answer {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method.clone()).uri(path).header("host", &self.address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let described = oasis_contract::Answer {
            method: method.as_str(),
            target: path,
            status: head.status.as_u16(),
            content_type: head.headers.get("content-type").map(|value| value.to_str().unwrap()),
        };
        described.check(&body).unwrap_or_else(|problem| panic!("{problem}"));
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8(body.to_vec()).unwrap()));
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Sends a POST request with `body` and `headers`, both unchanged.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.send(Method::POST, "/webhooks/github", &headers, body).await
    }

    /// Delivers a JSON payload, signed as GitHub signs it.
    pub(crate) async fn deliver(&self, event: &str, payload: &[u8]) -> Answer {
        self.deliver_as(event, JSON, payload).await
    }

    /// Delivers `body` with a content type.
    pub(crate) async fn deliver_as(&self, event: &str, content_type: &str, body: &[u8]) -> Answer {
        let signature = sign(SECRET, body);
        let headers = [
            ("content-type", content_type),
            ("x-github-event", event),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-hub-signature-256", &signature),
        ];
        self.post(&headers, body.to_vec()).await
    }

    /// The stored rows as JSON, oldest first: the strict fields, `meta` and the dedup key.
    pub(crate) async fn rows(&self) -> Vec<Value> {
        let (client, connection) = tokio_postgres::connect(&self.database.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "SELECT (to_jsonb(e) - 'recorded_at')::text FROM oasis_events e ORDER BY id";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
    }

    /// Runs SQL in the database that [`Server::rows`] reads.
    pub(crate) async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.database.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    /// Stops the receiver, and waits until it has ended.
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap().unwrap();
    }
}

/// Returns the value of `X-Hub-Signature-256` for `body`.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}
