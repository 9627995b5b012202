//! Two kinds of clients of the feed: one records when each event arrived, and the other never reads.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http::Head;

pub(crate) const FEED: &str = "/api/v1/devhub/feed";
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Connects and requests a stream, but reads nothing.
async fn request(address: SocketAddr, path: &str, receive_buffer: Option<u32>) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let mut stream = socket.connect(address).await.with_context(|| format!("connecting to {address}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// Reads until the first bytes of the body have arrived, and returns these bytes.
async fn begin(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let read = async {
        let mut received = Vec::with_capacity(16 << 10);
        loop {
            if stream.read_buf(&mut received).await? == 0 {
                bail!("the feed was closed before it began");
            }
            let Some(head) = Head::parse(&received)? else { continue };
            if head.status != 200 {
                bail!("the feed answered {}: {}", head.status, String::from_utf8_lossy(&received));
            }
            if received.len() > head.length {
                return Ok(received.split_off(head.length));
            }
        }
    };
    timeout(ANSWER_WITHIN, read).await.context("the feed did not begin in time")?
}

/// A client that reads as fast as it can, and records when the last byte of each event's frame arrived.
pub(crate) struct Feed {
    arrivals: mpsc::UnboundedReceiver<(i64, Instant)>,
    // Dropping this set ends the task that reads.
    _reader: JoinSet<()>,
}

impl Feed {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Self::open_at(address, "").await
    }

    /// Opens the feed with a query string, which is empty or begins with a question mark.
    pub(crate) async fn open_at(address: SocketAddr, query: &str) -> anyhow::Result<Self> {
        Self::open_path(address, &format!("{FEED}{query}")).await
    }

    /// Opens a stream of another path.
    pub(crate) async fn open_path(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let mut stream = request(address, path, None).await?;
        let first = begin(&mut stream).await?;
        let (send, arrivals) = mpsc::unbounded_channel();
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let (mut chunks, mut scanner) = (Chunks::default(), Scanner::default());
            let mut received = first;
            loop {
                let now = Instant::now();
                let mut arrived = |id| {
                    // Sending fails only while this client is being dropped. The event is not needed then.
                    let _ = send.send((id, now));
                };
                chunks.take(&received, |data| scanner.take(data, &mut arrived));
                received.clear();
                received.reserve(64 << 10);
                if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
                    return;
                }
            }
        });
        Ok(Self { arrivals, _reader: reader })
    }

    /// Waits for the next event, and returns its id and the time at which it arrived.
    pub(crate) async fn next(&mut self, within: Duration) -> anyhow::Result<(i64, Instant)> {
        let next = timeout(within, self.arrivals.recv()).await.context("no event came in time")?;
        next.context("the feed was closed")
    }
}

/// A client that has a small receive buffer and never reads. Dropping the client closes the connection.
pub(crate) struct Stalled(#[expect(dead_code, reason = "keeps the connection open")] TcpStream);

impl Stalled {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(request(address, FEED, Some(4_096)).await?))
    }
}

/// Decodes a body with chunked transfer coding. The body may arrive in pieces of any size.
#[derive(Default)]
pub(crate) struct Chunks {
    state: Chunk,
}

#[derive(Default, Clone, Copy)]
enum Chunk {
    /// The next byte is the first byte of a line with a chunk size.
    #[default]
    Begin,
    /// The next byte is in a line with a chunk size. The field is the value of the digits so far.
    Size(usize),
    /// The next byte is data. The field is the number of bytes that remain in the chunk.
    Data(usize),
    /// The next byte is in the line break after the data.
    End,
}

impl Chunks {
    pub(crate) fn take(&mut self, mut bytes: &[u8], mut data: impl FnMut(&[u8])) {
        while let Some(&byte) = bytes.first() {
            let (taken, next) = match self.state {
                Chunk::Begin | Chunk::Size(_) if byte == b'\n' => match self.state {
                    Chunk::Size(size) if size > 0 => (1, Chunk::Data(size)),
                    _ => (1, Chunk::Begin),
                },
                Chunk::Begin => (1, Chunk::Size(digit(byte).unwrap_or(0))),
                Chunk::Size(size) => (1, Chunk::Size(digit(byte).map_or(size, |digit| size << 4 | digit))),
                Chunk::Data(left) => {
                    let length = left.min(bytes.len());
                    data(&bytes[..length]);
                    (length, if length == left { Chunk::End } else { Chunk::Data(left - length) })
                }
                Chunk::End if byte == b'\n' => (1, Chunk::Begin),
                Chunk::End => (1, Chunk::End),
            };
            self.state = next;
            bytes = &bytes[taken..];
        }
    }
}

fn digit(byte: u8) -> Option<usize> {
    char::from(byte).to_digit(16).and_then(|digit| usize::try_from(digit).ok())
}

/// Finds the events in a stream. An event is a block with an id and data. A block with only an id moves the
/// cursor, and a block with only data is a message about the feed.
#[derive(Default)]
struct Scanner {
    /// The beginning of a line whose end has not arrived yet.
    begun: Vec<u8>,
    block: Block,
}

/// What has arrived of a block.
#[derive(Default)]
struct Block {
    id: Option<i64>,
    data: bool,
}

impl Scanner {
    fn take(&mut self, bytes: &[u8], mut event: impl FnMut(i64)) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            if self.begun.is_empty() {
                self.block.take(line, &mut event);
            } else {
                self.begun.extend_from_slice(line);
                self.block.take(&self.begun, &mut event);
                self.begun.clear();
            }
        }
        self.begun.extend_from_slice(rest);
    }
}

impl Block {
    fn take(&mut self, line: &[u8], event: &mut impl FnMut(i64)) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            if let Self { id: Some(id), data: true } = *self {
                event(id);
            }
            *self = Self::default();
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            self.id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        } else if line.starts_with(b"data: ") {
            self.data = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_their_bytes_are_split() {
        let frames = [
            "data: {\"type\":\"connected\"}\n\nid: 1\ndata: {}\n\nid: 2\ndata: {}\n\n",
            "id: 2\n\n",
            ": comment\n\ndata: {\"type\":\"heartbeat\"}\n\n",
            "id: 300\ndata: {\"id\":9}\n\n",
        ];
        let wire: String = frames.iter().map(|frame| format!("{:X}\r\n{frame}\r\n", frame.len())).collect();
        for size in 1..=wire.len() {
            let (mut chunks, mut scanner, mut ids) = (Chunks::default(), Scanner::default(), Vec::new());
            for piece in wire.as_bytes().chunks(size) {
                chunks.take(piece, |data| scanner.take(data, |id| ids.push(id)));
            }
            assert_eq!(ids, [1, 2, 300], "in pieces of {size} bytes");
        }
    }
}
