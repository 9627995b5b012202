//! Tests of request bodies: the size limit, the deadline, the memory budget, and clients that disconnect.

use std::time::{Duration, Instant};

use oasis_service::Limits;
use tokio::io::AsyncWriteExt;

use super::client::{Client, http2};
use super::logs;
use super::sample::{ECHO_CAP, start, within};

fn head(length: usize, more: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{more}\r\n")
}

#[tokio::test]
async fn a_route_reads_the_whole_body() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let body = "b".repeat(ECHO_CAP);
    client.send(head(body.len(), "")).await;
    client.send(&body).await;
    assert_eq!(client.reply().await.body, body);

    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.body, "abcde");

    client.send(head(0, "")).await;
    assert_eq!(client.reply().await.status, 200);
    server.stop().await;
}

/// Like most clients, this client sends the whole body before it reads the answer.
#[tokio::test]
async fn a_content_length_above_the_limit_is_answered_with_413_even_if_the_client_sends_the_body_first() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let body = vec![b'b'; 20 << 20];
    client.send(head(body.len(), "")).await;
    client.send(&body).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.error_code().as_str()), (413, "body_too_large"));
    // The whole body was drained, so the connection can be used again.
    assert_eq!(client.get("/hello").await.body, "hello");
    server.stop().await;
}

#[tokio::test]
async fn a_client_gets_a_refusal_that_was_sent_before_the_body_was_read() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let body = vec![b'b'; 20 << 20];
    client.send(format!("POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len())).await;
    client.send(&body).await;
    assert_eq!(client.reply().await.status, 404);
    assert_eq!(client.get("/hello").await.body, "hello");
    server.stop().await;
}

#[tokio::test]
async fn a_chunked_body_above_the_limit_is_answered_with_413() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = [format!("{:x}\r\n", 65_536).into_bytes(), vec![b'b'; 65_536], b"\r\n".to_vec()].concat();
    for _ in 0..64 {
        client.send(&chunk).await;
    }
    client.send("0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.error_code().as_str()), (413, "body_too_large"));
    assert_eq!(client.get("/hello").await.body, "hello");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_refused_before_it_sends_the_body() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send(head(ECHO_CAP + 1, "expect: 100-continue\r\n")).await;
    assert_eq!(client.reply().await.status, 413);
    // There is no body to drain, so the connection closes without a delay.
    let answered = Instant::now();
    assert!(client.end().await.is_empty());
    assert!(answered.elapsed() < Duration::from_secs(3));

    let mut client = Client::connect(server.address).await;
    client.send(head(3, "expect: 100-continue\r\n")).await;
    assert_eq!(client.head().await.status, 100);
    client.send("abc").await;
    assert_eq!(client.reply().await.body, "abc");

    // After `100 Continue`, the client sends the body. The client must get the answer, as any other client
    // does.
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.head().await.status, 100);
    client.send(format!("{:x}\r\n{}\r\n0\r\n\r\n", 4_000_000, "b".repeat(4_000_000))).await;
    assert_eq!(client.reply().await.status, 413);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_with_408() {
    let limits = Limits { body_timeout: Duration::from_millis(100), ..Limits::default() };
    let server = start(limits).await;
    let mut client = Client::connect(server.address).await;
    client.send(head(10, "")).await;
    client.send("abc").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.error_code().as_str()), (408, "body_timeout"));
    client.end().await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_above_the_budget_gets_503_and_returns_its_share_of_the_budget() {
    let limits = Limits { body_budget: 80_000, ..Limits::default() };
    let server = start(limits).await;
    for _ in 0..3 {
        let mut client = Client::connect(server.address).await;
        client.send(head(80_001, "")).await;
        client.send([b'b'; 80_001]).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.error_code().as_str()), (503, "overloaded"));
        assert!(reply.header("retry-after").is_some());

        let mut client = Client::connect(server.address).await;
        client.send(head(1000, "")).await;
        client.send([b'b'; 1000]).await;
        assert_eq!(client.reply().await.status, 200);
    }
    server.stop().await;
}

/// Over HTTP/2, a field of a head can be one byte on the wire and take a hundred in memory. So a head counts
/// even if no byte of its body ever comes.
#[tokio::test]
async fn a_head_counts_towards_the_budget_while_its_body_is_read() {
    let server = start(Limits { body_budget: 50_000, ..Limits::default() }).await;
    let mut client = Client::connect(server.address).await;
    client.send(http2::BEGINNING).await;
    client.send(http2::post(1, "/echo", 90)).await;
    client.send(http2::post(3, "/echo", 90)).await;
    client.until(b"overloaded").await;
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_disconnects_during_a_body_is_logged_without_a_warning() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    client.send(head(10, "x-request-id: gone-away\r\n")).await;
    client.send("abc").await;
    within(client.socket.shutdown()).await.unwrap();
    let line = logs::access_line("gone-away").await;
    assert_eq!((&line["code"], &line["severity"]), (&"body_incomplete".into(), &"INFO".into()));
    assert_eq!(Client::connect(server.address).await.get("/hello").await.status, 200);
    server.stop().await;
}
