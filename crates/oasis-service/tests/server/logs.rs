//! Tests of request ids, the access log and the metrics.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, Once};
use std::time::Duration;

use oasis_service::Limits;
use oasis_service::telemetry::JsonLines;
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use super::client::{Client, get};
use super::sample::{start, within};

static LINES: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(Mutex::default);

struct Capture;

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures the log lines of the whole test process as JSON.
pub(crate) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber =
            tracing_subscriber::registry().with(LevelFilter::DEBUG).with(JsonLines::new("tests", || Capture));
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

pub(crate) fn lines_about(request_id: &str) -> Vec<Value> {
    let text = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["request_id"] == request_id)
        .collect()
}

/// Waits for the access log line of a request. There must be no other line about the request.
pub(crate) async fn access_line(request_id: &str) -> Value {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    within(async {
        loop {
            if let [line] = &lines_about(request_id)[..] {
                return line.clone();
            }
            ticks.tick().await;
        }
    })
    .await
}

async fn request_with_id(client: &mut Client, path: &str, id: &str) -> Option<String> {
    client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\n\r\n")).await;
    client.reply().await.header("x-request-id").map(str::to_owned)
}

#[tokio::test]
async fn a_valid_request_id_is_returned_and_any_other_id_is_replaced() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(request_with_id(&mut client, "/hello", "mine-1").await.as_deref(), Some("mine-1"));
    let replaced = request_with_id(&mut client, "/nowhere", "not{sound}").await.unwrap();
    assert_eq!(replaced.len(), 16);
    assert_eq!(client.get("/health").await.header("x-request-id").unwrap().len(), 16);
    server.stop().await;
}

#[tokio::test]
async fn the_access_log_describes_the_request_without_its_query() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let _ = request_with_id(&mut client, "/hello?token=tok-s3cret", "log-1").await;
    let line = access_line("log-1").await;
    assert_eq!(line["message"], "GET /hello 200");
    assert_eq!(line["severity"], "INFO");
    assert_eq!((&line["method"], &line["path"]), (&"GET".into(), &"/hello".into()));
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &5.into()));
    assert_eq!((&line["service"], &line["target"]), (&"sample".into(), &"access".into()));
    assert!(line["duration_ms"].is_f64());
    let timestamp: Result<jiff::Timestamp, _> = line["timestamp"].as_str().unwrap().parse();
    assert!(timestamp.is_ok());

    let _ = request_with_id(&mut client, "/hello?token=tok-s3cret&tok-s3cret-2=1", "log-2").await;
    let _ = request_with_id(&mut client, "/health?tok-s3cret", "log-3").await;
    assert_eq!(access_line("log-3").await["severity"], "DEBUG");
    access_line("log-2").await;
    // The answer names the unknown parameter, but the log does not.
    assert!(!String::from_utf8_lossy(&LINES.lock().unwrap()).contains("s3cret"));
    server.stop().await;
}

#[tokio::test]
async fn a_long_method_and_a_long_path_are_cut_between_characters() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let (method, path) = ("M".repeat(10_000), format!("/{}", "\u{e9}".repeat(5_000)));
    client.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\nx-request-id: long-1\r\n\r\n")).await;
    assert_eq!(client.reply().await.status, 404);
    let line = access_line("long-1").await;
    let (method, path) = (&method[..32], &path[..511]);
    assert_eq!((&line["method"], &line["path"]), (&method.into(), &path.into()));
    assert_eq!(line["message"], format!("{method} {path} 404"));
    server.stop().await;
}

#[tokio::test]
async fn failures_are_logged_once_with_their_cause() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let _ = request_with_id(&mut client, "/unavailable", "fail-1").await;
    let line = access_line("fail-1").await;
    assert_eq!((&line["severity"], &line["code"]), (&"WARNING".into(), &"database_unavailable".into()));
    assert!(line["error"].as_str().unwrap().ends_with("password authentication failed"));

    let _ = request_with_id(&mut client, "/panic", "fail-2").await;
    let line = access_line("fail-2").await;
    assert_eq!(line["severity"], "ERROR");
    assert!(line["error"].as_str().unwrap().contains("handler went wrong"));
    server.stop().await;
}

#[tokio::test]
async fn metrics_count_requests_and_connections() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    client.get("/hello").await;
    client.get("/some/path/nobody/knows").await;
    client.send("BREW /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.reply().await;
    let reply = get(server.address, "/metrics").await;
    assert!(reply.header("content-type").unwrap().starts_with("text/plain"));
    for expected in [
        "# HELP http_requests_total ",
        "# TYPE http_request_seconds histogram",
        r#"http_requests_total{service="sample",method="GET",route="/hello",status="200"}"#,
        r#"http_requests_total{service="sample",method="GET",route="other",status="404"}"#,
        r#"http_requests_total{service="sample",method="other",route="other",status="405"}"#,
        r#"http_request_seconds_bucket{service="sample",route="/hello",le="0.01"}"#,
        r#"http_connections_open{service="sample"}"#,
    ] {
        assert!(reply.body.contains(expected), "{expected} is missing in\n{}", reply.body);
    }
    assert!(!reply.body.contains("nobody"));
    server.stop().await;
}
