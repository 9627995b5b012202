//! A client that sends and receives exact bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::sample::within;

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (present, value) = line.split_once(':')?;
            present.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { socket: within(TcpStream::connect(address)).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.socket.write_all(bytes.as_ref())).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        self.reply().await
    }

    /// Requests an endless answer, and reads until it has begun.
    pub(crate) async fn begun(address: SocketAddr, path: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        client.until(b"begun\n").await;
        client
    }

    /// Reads more bytes into the buffer. Returns false if the connection has ended, cleanly or not.
    async fn more(&mut self) -> bool {
        matches!(within(self.socket.read_buf(&mut self.read)).await, Ok(1..))
    }

    /// Reads the head of the next response. The body stays in the buffer.
    pub(crate) async fn head(&mut self) -> Reply {
        let end = self.until(b"\r\n\r\n").await;
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body: String::new() }
    }

    /// Reads the next response. It must have a `Content-Length` or no body.
    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        let length: usize = reply.header("content-length").map_or(0, |value| value.parse().unwrap());
        while self.read.len() < length {
            assert!(self.more().await, "the connection ended before the end of the body");
        }
        reply.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        reply
    }

    /// Reads until `needle` has arrived, and returns the offset of the end of `needle`.
    pub(crate) async fn until(&mut self, needle: &[u8]) -> usize {
        loop {
            if let Some(at) = self.read.windows(needle.len()).position(|window| window == needle) {
                return at + needle.len();
            }
            let seen = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.more().await, "the connection ended after {seen:?}");
        }
    }

    /// Waits for the first bytes of a response, or until the server closes the connection.
    pub(crate) async fn end_or_reply(&mut self) -> Vec<u8> {
        self.more().await;
        std::mem::take(&mut self.read)
    }

    /// Waits until the server closes the connection, and returns the bytes that the server sent before the
    /// close.
    pub(crate) async fn end(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }
}

/// Sends one request on a new connection.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Reply {
    Client::connect(address).await.get(path).await
}

/// The frames of HTTP/2 (RFC 9113) that a client sends.
pub(crate) mod http2 {
    /// The preface and the empty frame SETTINGS, with which every connection begins.
    pub(crate) const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// A GET request on a stream.
    pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
        // END_STREAM and END_HEADERS.
        head(stream, 0x05, 0x82, path, &[])
    }

    /// The head of a POST request with `count` more header fields. The body follows.
    pub(crate) fn post(stream: u32, path: &str, count: usize) -> Vec<u8> {
        // END_HEADERS.
        head(stream, 0x04, 0x83, path, &[0x00, 1, b'a', 0].repeat(count))
    }

    /// The frame HEADERS. No name or value is compressed (RFC 7541).
    fn head(stream: u32, flags: u8, method: u8, path: &str, more: &[u8]) -> Vec<u8> {
        // `:method: GET`, `:method: POST` and `:scheme: http` have numbers; `:authority` is number 1, and
        // `:path` is number 4.
        let mut fields = vec![method, 0x86, 0x01, 1, b'x', 0x04, u8::try_from(path.len()).unwrap()];
        fields.extend_from_slice(path.as_bytes());
        fields.extend_from_slice(more);
        let length = u32::try_from(fields.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[0x01, flags], &stream.to_be_bytes(), &fields];
        frame.concat()
    }

    /// RST_STREAM with REFUSED_STREAM.
    pub(crate) fn refused(stream: u32) -> Vec<u8> {
        [&[0, 0, 4, 0x03, 0][..], &stream.to_be_bytes(), &[0, 0, 0, 7]].concat()
    }
}
