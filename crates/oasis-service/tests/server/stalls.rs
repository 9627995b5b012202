//! Tests of clients that do not read their answers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use oasis_service::Limits;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::client::Client;
use super::sample::{LARGE, Running, start, within};

const SHORT: Duration = Duration::from_millis(300);

fn short_stall() -> Limits {
    Limits { stall_timeout: SHORT, ..Limits::default() }
}

/// An HTTP/2 client that sends a PING every 20 ms.
async fn pinging(server: &Running) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let socket = TcpStream::connect(server.address).await.unwrap();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535).initial_connection_window_size(10 << 20);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(20))
        .keep_alive_while_idle(true);
    let (sender, connection) = builder.handshake(TokioIo::new(socket)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> Response<Incoming> {
    let request = hyper::Request::get(format!("http://sample{path}")).body(Empty::new()).unwrap();
    within(sender.send_request(request)).await.unwrap()
}

#[tokio::test]
async fn an_http2_stream_that_is_not_read_is_reset_despite_pings() {
    let server = start(short_stall()).await;
    let (mut sender, _connection) = pinging(&server).await;
    let unread = get(&mut sender, "/flood").await;
    within(server.app.dropped.notified()).await;
    assert!(within(unread.into_body().collect()).await.is_err());
    assert_eq!(get(&mut sender, "/hello").await.status(), 200, "other streams of the connection continue");
    server.stop().await;
}

#[tokio::test]
async fn an_http1_connection_that_is_not_read_is_closed() {
    for limits in [short_stall(), Limits { idle_timeout: SHORT, ..Limits::default() }] {
        let server = start(limits).await;
        let mut client = Client::connect(server.address).await;
        client.send("GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").await;
        within(server.app.dropped.notified()).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_arrives() {
    let server = start(short_stall()).await;
    let (mut sender, _connection) = pinging(&server).await;
    let mut slow = get(&mut sender, "/large").await.into_body();
    let mut bytes = 0;
    while let Some(frame) = within(slow.frame()).await {
        bytes += frame.unwrap().into_data().unwrap().len();
        tokio::time::sleep(SHORT / 30).await;
    }
    assert_eq!(bytes, LARGE);
    server.stop().await;
}

#[tokio::test]
async fn answers_that_are_not_read_do_not_keep_others_out() {
    let server = start(Limits { answer_budget: 3 * LARGE, ..Limits::default() }).await;
    for http2 in [true, false] {
        let (mut sender, _connection) = pinging(&server).await;
        let mut unread = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..20 {
            if http2 {
                unread.push(get(&mut sender, "/large").await);
            } else {
                let mut client = Client::connect(server.address).await;
                client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
                clients.push(client);
            }
        }
        // Only answers that have just begun keep their memory.
        let (mut other, _connection) = pinging(&server).await;
        within(async {
            loop {
                let answer = get(&mut other, "/large").await;
                if answer.status() == 200 {
                    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), LARGE);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        drop(clients);
    }
    server.stop().await;
}

/// The route of `/stream` reserves a place before it opens the stream. The route of `/stubborn` does not.
#[tokio::test]
async fn a_connection_has_few_endless_answers() {
    for (path, opened) in [("/stream", 2), ("/stubborn", 3)] {
        let server = start(Limits { max_endless: 2, ..Limits::default() }).await;
        let (mut sender, _connection) = pinging(&server).await;
        let first = get(&mut sender, path).await;
        let second = get(&mut sender, path).await;
        let third = get(&mut sender, path).await;
        assert_eq!([&first, &second, &third].map(|answer| answer.status().as_u16()), [200, 200, 503]);
        assert_eq!(server.app.opened.load(Ordering::SeqCst), opened, "{path}");
        let text = third.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&text).contains("open another connection"), "{text:?}");
        drop(first);
        within(async { while get(&mut sender, path).await.status() != 200 {} }).await;
        drop((second, sender));
        server.stop().await;
    }
}

/// A request that has reserved a place and then does not get a stream gives the place back.
#[tokio::test]
async fn an_answer_that_is_not_a_stream_keeps_no_place() {
    let server = start(Limits { max_endless: 1, ..Limits::default() }).await;
    let (mut sender, _connection) = pinging(&server).await;
    for _ in 0..3 {
        assert_eq!(get(&mut sender, "/no-stream").await.status(), 404);
    }
    assert_eq!(get(&mut sender, "/stream").await.status(), 200);
    drop(sender);
    server.stop().await;
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_despite_pings() {
    let server = start(Limits { idle_timeout: SHORT, ..Limits::default() }).await;
    let (mut sender, connection) = pinging(&server).await;
    assert_eq!(get(&mut sender, "/hello").await.status(), 200);
    let _ = within(connection).await.unwrap();
    server.stop().await;
}
