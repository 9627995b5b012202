//! Tests of the time limits of connections, and of the limits on the number of connections.

use std::time::Duration;

use oasis_service::Limits;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::client::{Client, get, http2};
use super::sample::{start, within};

const SHORT: Duration = Duration::from_millis(400);

fn short_header() -> Limits {
    Limits { header_timeout: SHORT, ..Limits::default() }
}

fn short_idle() -> Limits {
    Limits { idle_timeout: SHORT, ..Limits::default() }
}

#[tokio::test]
async fn a_connection_with_a_slow_head_is_closed_and_an_idle_connection_stays_open() {
    let server = start(short_header()).await;
    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.get("/hello").await.status, 200);

    let mut slow = Client::connect(server.address).await;
    slow.send("GET /hello HTTP/1.1\r\nhos").await;
    assert!(slow.end().await.is_empty());

    // The idle connection has now been idle for longer than the time limit of a head.
    assert_eq!(idle.get("/hello").await.status, 200);

    // The time limit also applies to the head of a later request on the same connection.
    idle.send("GET /hello HTTP/1.1\r\n").await;
    assert!(idle.end().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_arrives_byte_by_byte_does_not_extend_the_time_limit() {
    let server = start(short_header()).await;
    let client = Client::connect(server.address).await;
    let (mut reader, mut writer) = client.socket.into_split();
    let sending = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(SHORT / 10);
        let _ = writer.write_all(b"GET / HTTP/1.1\r\nx: ").await;
        while writer.write_all(b"y").await.is_ok() {
            ticks.tick().await;
        }
    });
    let mut sink = tokio::io::sink();
    let _ = within(tokio::io::copy(&mut reader, &mut sink)).await;
    within(sending).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_body_may_take_longer_than_a_head() {
    let server = start(short_header()).await;
    let mut client = Client::connect(server.address).await;
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\na").await;
    tokio::task::yield_now().await;
    client.send("b").await;
    let mut slow = Client::connect(server.address).await;
    slow.send("GET").await;
    slow.end().await;
    client.send("cd").await;
    assert_eq!(client.reply().await.body, "abcd");
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_in_every_phase() {
    let server = start(short_idle()).await;
    let mut clients = JoinSet::new();
    for opening in ["", "P", "PRI", "PRI * HTTP/2.0\r\n\r\nS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT"]
    {
        clients.spawn(async move {
            let mut client = Client::connect(server.address).await;
            client.send(opening).await;
            client.end().await;
        });
    }
    clients.join_all().await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.get("/hello").await.status, 200);
    assert!(client.end().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_byte_is_closed_sooner_than_an_idle_one() {
    let server = start(short_header()).await;
    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.get("/hello").await.status, 200);
    assert!(Client::connect(server.address).await.end().await.is_empty());
    assert_eq!(idle.get("/hello").await.status, 200);
    server.stop().await;
}

/// The beginning of HTTP/2 is not a request.
#[tokio::test]
async fn an_http2_connection_without_a_request_is_closed_sooner_than_an_idle_one() {
    let server = start(short_header()).await;
    let mut idle = Client::connect(server.address).await;
    idle.send(http2::BEGINNING).await;
    idle.send(http2::get(1, "/hello")).await;
    idle.until(b"hello").await;
    let mut silent = Client::connect(server.address).await;
    silent.send(http2::BEGINNING).await;
    silent.end().await;
    idle.send(http2::get(3, "/health")).await;
    idle.until(b"sample").await;
    server.stop().await;
}

#[tokio::test]
async fn connections_that_hold_places_do_not_keep_others_out() {
    let limits = Limits { max_connections: 20, spare_connections: 1, ..Limits::default() };
    let server = start(limits).await;
    let mut busy = server.busy_client().await;
    let mut holders = Vec::new();
    for nth in 0..200 {
        let mut holder = Client::connect(server.address).await;
        if nth % 2 == 0 {
            assert_eq!(holder.get("/hello").await.status, 200, "connection {nth}");
        }
        holders.push(holder);
        assert_eq!(get(server.address, "/ready").await.status, 200, "connection {nth}");
    }
    assert_eq!(get(server.address, "/hello").await.status, 200);
    server.app.release.add_permits(1);
    assert_eq!(busy.reply().await.body, "done");
    server.stop().await;
}

#[tokio::test]
async fn a_full_server_still_answers_probes() {
    let limits = Limits { max_connections: 1, spare_connections: 1, ..Limits::default() };
    let server = start(limits).await;
    let first = server.busy_client().await;

    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.get("/health").await.status, 200);
    // A new connection for probes ends the idle one.
    let mut spare = Client::connect(server.address).await;
    let ready = spare.get("/ready").await;
    assert_eq!((ready.status, &ready.json()["reasons"][0]), (503, &"no connection is free".into()));

    assert!(idle.end().await.is_empty());

    let reply = spare.get("/hello").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "overloaded"));
    assert!(reply.header("retry-after").is_some());
    spare.end().await;

    drop(first);
    // The server notices the closed connection after a moment.
    within(async {
        loop {
            let mut client = Client::connect(server.address).await;
            let _ = client.socket.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let reply = String::from_utf8_lossy(&client.end_or_reply().await).into_owned();
            if reply.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_with_431() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    let head = format!("GET /hello HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "y".repeat(100_000));
    let _ = client.socket.write_all(head.as_bytes()).await;
    assert_eq!(client.head().await.status, 431);
    assert_eq!(get(server.address, "/hello").await.status, 200);
    server.stop().await;
}
