//! An HTTP/1.1 client that does as little work as possible. The client sends prepared bytes, and reads the
//! status and the body of the answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time limit for an answer. Every service answers faster than this limit.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// An answer with a Content-Length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The length of the head in bytes, including the empty line.
    pub(crate) length: usize,
    pub(crate) content_length: Option<usize>,
    /// Whether the body is sent in chunks.
    pub(crate) chunked: bool,
}

impl Head {
    /// Parses the head at the start of `bytes`. Returns `None` if `bytes` does not contain the whole head.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).context("the head of the answer is not UTF-8")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let field = |wanted: &str| {
            lines.clone().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        Ok(Some(Self {
            status: status.context("the answer has no status")?,
            length: end + 4,
            content_length: field("content-length").and_then(|length| length.parse().ok()),
            chunked: field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")),
        }))
    }
}

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4_096) })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        timeout(ANSWER_WITHIN, self.exchange_unbounded(request)).await.context("no answer came in time")?
    }

    async fn exchange_unbounded(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the connection was closed before the answer was complete");
            }
            let Some(head) = Head::parse(&self.received)? else { continue };
            let length = head.content_length.context("the answer has no Content-Length")?;
            if self.received.len() >= head.length + length {
                let body = self.received[head.length..].to_vec();
                return Ok(Answer { status: head.status, body: String::from_utf8(body)? });
            }
        }
    }
}

/// Sends one GET on a new connection.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    Connection::open(address).await?.exchange(request.as_bytes()).await
}

/// A POST of JSON with a Bearer token.
pub(crate) fn post(address: SocketAddr, path: &str, token: &str, json: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_is_parsed() {
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n").unwrap(), None);
        let head = |text: &str| Head::parse(text.as_bytes()).unwrap().unwrap();
        let whole = "HTTP/1.1 503 Service Unavailable\r\nx: y\r\nContent-Length: 2\r\n\r\n{}";
        let expected = Head { status: 503, length: whole.len() - 2, content_length: Some(2), chunked: false };
        assert_eq!(head(whole), expected);
        assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n").content_length, None);
        assert!(head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").chunked);
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}
