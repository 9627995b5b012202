//! Clients that resume far behind and read as fast as they can, each on a thread of its own, so that their
//! reading does not delay what else is timed here.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::sse::FEED;

const BUFFER: usize = 128 << 10;
/// Longer than any silence that is still an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a client looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// One connection to the feed that begins after an event.
pub(crate) struct Resumed {
    stream: TcpStream,
    buffer: Vec<u8>,
    events: Events,
}

impl Resumed {
    /// Connects and asks; nothing is read yet.
    pub(crate) fn ask(address: SocketAddr, query: &str, after: i64) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(LOOK))?;
        let request =
            format!("GET {FEED}{query} HTTP/1.1\r\nHost: {address}\r\nLast-Event-ID: {after}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        Ok(Self { stream, buffer: vec![0; BUFFER], events: Events { last: after, ..Events::default() } })
    }

    /// Reads on until there are as many events in all, or `end` is set; gives how many there are.
    pub(crate) fn read(&mut self, until: u64, end: &AtomicBool, heard: &AtomicU64) -> anyhow::Result<u64> {
        let mut last_heard = Instant::now();
        while self.events.count < until && !end.load(Relaxed) {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => bail!("the feed was closed after {} events", self.events.count),
                Ok(length) => {
                    let before = self.events.count;
                    self.events.take(&self.buffer[..length])?;
                    heard.fetch_add(self.events.count - before, Relaxed);
                    last_heard = Instant::now();
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    ensure!(last_heard.elapsed() < SILENCE, "the feed went silent");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.events.count)
    }
}

/// Counts events and looks that their ids grow. A chunk of the transfer coding ends where a block ends, so
/// its framing comes as lines of its own.
#[derive(Default)]
struct Events {
    count: u64,
    last: i64,
    line: Vec<u8>,
    id: Option<i64>,
}

impl Events {
    fn take(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.line.is_empty() {
                self.line(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.line(&whole)?;
            }
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        if let Some(id) = line.strip_prefix(b"id: ") {
            self.id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        } else if line.starts_with(b"data: ") {
            let Some(id) = self.id.take() else { return Ok(()) };
            ensure!(id > self.last, "event {id} came after {}", self.last);
            (self.last, self.count) = (id, self.count + 1);
        } else {
            self.id = None;
        }
        Ok(())
    }
}

/// Some that resume again as soon as they have caught up, until they are ended.
pub(crate) struct Resumers {
    end: Arc<AtomicBool>,
    heard: Arc<AtomicU64>,
    began: Instant,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Resumers {
    pub(crate) fn start(address: SocketAddr, count: usize, after: i64, behind: u64) -> Self {
        let (end, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = |_| {
            let (end, heard) = (end.clone(), heard.clone());
            thread::spawn(move || {
                while !end.load(Relaxed) {
                    Resumed::ask(address, "", after)?.read(behind, &end, &heard)?;
                }
                Ok(())
            })
        };
        let threads = (0..count).map(thread).collect();
        Self { end, heard, began: Instant::now(), threads }
    }

    /// Events that all of them together have read.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Relaxed)
    }

    /// Ends them, and gives how many events a second all of them together have read.
    pub(crate) fn end(mut self) -> anyhow::Result<f64> {
        let rate = self.heard() as f64 / self.began.elapsed().as_secs_f64();
        self.end.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(rate)
    }
}

impl Drop for Resumers {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_in_whatever_pieces_they_come() {
        let wire = "HTTP/1.1 200 OK\r\n\r\n1a\r\ndata: {\"type\":\"connected\"}\n\n\r\n\
                    20\r\nid: 5\ndata: {}\n\nid: 8\ndata: {}\n\n\
                    \r\n7\r\nid: 9\n\n\r\n9\r\nid: 11\ndata: {}\n\n\r\n";
        for size in 1..=wire.len() {
            let mut events = Events { last: 4, ..Events::default() };
            wire.as_bytes().chunks(size).for_each(|piece| events.take(piece).unwrap());
            assert_eq!((events.count, events.last), (3, 11), "in pieces of {size}");
        }
        let mut events = Events { last: 7, ..Events::default() };
        assert!(events.take(b"id: 7\ndata: {}\n\n").is_err());
    }
}
