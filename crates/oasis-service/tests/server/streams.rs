//! Tests of endless answers, which are sent without hyper.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use oasis_service::Limits;

use super::sample::{ECHO_CAP, start, within};

/// Reads until `end` has arrived. All bytes must be valid text.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    within(async {
        while !received.ends_with(end.as_bytes()) {
            assert_ne!(socket.read_buf(&mut received).await.unwrap(), 0, "the connection ended");
        }
    })
    .await;
    String::from_utf8(received).unwrap()
}

async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut rest = String::new();
    within(socket.read_to_string(&mut rest)).await.unwrap();
    rest
}

#[tokio::test]
async fn an_http_1_1_client_gets_chunks_and_a_final_chunk() {
    let server = start(Limits::default()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\norigin: http://y\r\n\r\n").await.unwrap();
    let begun = read_until(&mut socket, "6\r\nbegun\n\r\n").await;
    let head = begun.split_once("\r\n\r\n").unwrap().0.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    for header in ["transfer-encoding: chunked", "connection: close", "access-control-allow-origin: *"] {
        assert!(head.lines().any(|line| line == header), "{head}");
    }
    assert!(head.contains("\r\ndate: ") && head.contains(" gmt"), "{head}");
    assert!(head.contains("\r\nx-request-id: "), "{head}");

    server.shutdown.trigger();
    assert_eq!(read_to_end(&mut socket).await, "0\r\n\r\n");
    server.stop().await;
}

#[tokio::test]
async fn an_http_1_0_client_reads_until_the_connection_closes() {
    let server = start(Limits::default()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await.unwrap();
    let begun = read_until(&mut socket, "\r\n\r\nbegun\n").await.to_lowercase();
    assert!(!begun.contains("transfer-encoding"), "{begun}");
    server.shutdown.trigger();
    assert_eq!(read_to_end(&mut socket).await, "");
    server.stop().await;
}

#[tokio::test]
async fn an_earlier_request_on_the_connection_is_answered_first() {
    let server = start(Limits::default()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let both = "GET /hello HTTP/1.1\r\nhost: x\r\n\r\nGET /stream HTTP/1.1\r\nhost: x\r\n\r\n";
    socket.write_all(both.as_bytes()).await.unwrap();
    let all = read_until(&mut socket, "6\r\nbegun\n\r\n").await;
    assert_eq!((all.matches("200 OK").count(), all.matches("hello").count()), (2, 1), "{all}");
    server.stop().await;
}

/// When an endless answer begins, hyper may not have sent the earlier answers completely. The earlier answers
/// must not be lost.
#[tokio::test]
async fn answers_that_wait_for_a_slow_reader_are_sent_first() {
    const ANSWERS: usize = 60;
    let server = start(Limits::default()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let (mut reader, mut writer) = socket.connect(server.address).await.unwrap().into_split();
    let body = "Z".repeat(ECHO_CAP);
    let echo = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {ECHO_CAP}\r\n\r\n{body}");
    let mut requests = echo.repeat(ANSWERS);
    requests.push_str("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut sending = tokio::spawn(async move {
        writer.write_all(requests.as_bytes()).await.unwrap();
        writer
    });
    // For up to 500 ms, the client sends requests and does not read answers.
    let _sent = timeout(Duration::from_millis(500), &mut sending).await;
    let mut received = Vec::new();
    within(async {
        while !received.ends_with(b"6\r\nbegun\n\r\n") {
            assert_ne!(reader.read_buf(&mut received).await.unwrap(), 0, "the connection ended");
        }
    })
    .await;
    assert_eq!(received.iter().filter(|byte| **byte == b'Z').count(), ANSWERS * ECHO_CAP);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_client_disconnects() {
    let server = start(Limits::default()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /stubborn HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut socket, "6\r\nbegun\n\r\n").await;
    // The server ignores a request that the client sends during the stream.
    socket.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(socket);
    within(server.app.dropped.notified()).await;
    server.stop().await;
}
