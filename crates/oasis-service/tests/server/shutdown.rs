//! Tests of the shutdown: requests in flight finish, endless bodies end, and the shutdown ends in time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oasis_service::Limits;
use tokio::net::TcpStream;

use super::client::Client;
use super::sample::{start, within};

#[tokio::test]
async fn a_request_in_flight_is_answered_during_the_shutdown() {
    let server = start(Limits::default()).await;
    let mut idle = Client::connect(server.address).await;
    assert_eq!(idle.get("/hello").await.status, 200);
    let mut client = server.busy_client().await;

    server.shutdown.trigger();
    assert!(idle.end().await.is_empty());
    // The listener closes once the accept loop has seen the shutdown.
    within(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert!(!server.task.is_finished());

    server.app.release.add_permits(1);
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
    assert!(client.end().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn the_shutdown_ends_an_endless_body_with_a_final_chunk() {
    let server = start(Limits::default()).await;
    let mut client = Client::begun(server.address, "/stream").await;
    server.shutdown.trigger();
    assert!(client.end().await.ends_with(b"\r\n0\r\n\r\n"));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_dropped_after_the_drain_time() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let server = start(limits).await;
    let mut client = Client::begun(server.address, "/stubborn").await;
    let app = Arc::clone(&server.app);
    server.stop().await;
    // The body must be dropped before `serve` returns, not some time later.
    assert!(tokio::time::timeout(Duration::ZERO, app.dropped.notified()).await.is_ok());
    client.end().await;
}

#[tokio::test]
async fn dropping_the_server_drops_its_connections() {
    let server = start(Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.get("/hello").await.status, 200);
    server.task.abort();
    assert!(client.end().await.is_empty());
}

#[tokio::test]
async fn a_service_is_not_ready_after_the_shutdown_has_begun() {
    let server = start(Limits::default()).await;
    server.app.gate_ready.store(true, Ordering::SeqCst);
    let mut client = Client::connect(server.address).await;
    client.send("GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    within(server.app.entered.acquire()).await.unwrap().forget();
    server.shutdown.trigger();
    server.app.release.add_permits(1);
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.json()["reasons"][0]), (503, &"shutting down".into()));
    server.stop().await;
}
