//! Clients that resume far behind the newest event and read as fast as they can. Each client has its own
//! thread, so the clients do not delay other measurements.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::sse::FEED;

const BUFFER: usize = 128 << 10;
/// If the feed sends nothing for longer than this, the client fails.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a client checks whether it must end.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// A connection that resumes the feed after the event with a given id.
pub(crate) struct Resumed {
    stream: TcpStream,
    buffer: Vec<u8>,
    events: Events,
}

impl Resumed {
    /// Connects and sends the request, but reads nothing.
    pub(crate) fn ask(address: SocketAddr, query: &str, after: i64) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(CHECK_EVERY))?;
        let request =
            format!("GET {FEED}{query} HTTP/1.1\r\nHost: {address}\r\nLast-Event-ID: {after}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        Ok(Self { stream, buffer: vec![0; BUFFER], events: Events { last: after, ..Events::default() } })
    }

    /// Reads until `until` events have arrived on this connection or `end` is set. Adds the number of new
    /// events to `received` after each read. Returns the number of events that have arrived on this
    /// connection.
    pub(crate) fn read(&mut self, until: u64, end: &AtomicBool, received: &AtomicU64) -> anyhow::Result<u64> {
        let mut last_read = Instant::now();
        while self.events.count < until && !end.load(Relaxed) {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => bail!("the feed was closed after {} events", self.events.count),
                Ok(length) => {
                    let before = self.events.count;
                    self.events.take(&self.buffer[..length])?;
                    received.fetch_add(self.events.count - before, Relaxed);
                    last_read = Instant::now();
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    ensure!(
                        last_read.elapsed() < SILENCE,
                        "the feed sent nothing for {} s",
                        SILENCE.as_secs()
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.events.count)
    }
}

/// Counts events, and checks that the ids increase. The gateway ends each HTTP chunk at the end of a block,
/// so a line with a chunk size contains nothing else.
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
            ensure!(id > self.last, "event {id} came after event {}", self.last);
            (self.last, self.count) = (id, self.count + 1);
        } else {
            self.id = None;
        }
        Ok(())
    }
}

/// Clients that read all missed events, and then resume at the same event again. They repeat this until
/// [`Resumers::end`] is called.
pub(crate) struct Resumers {
    end: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    began: Instant,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Resumers {
    pub(crate) fn start(address: SocketAddr, count: usize, after: i64, behind: u64) -> Self {
        let (end, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = |_| {
            let (end, received) = (end.clone(), received.clone());
            thread::spawn(move || {
                while !end.load(Relaxed) {
                    Resumed::ask(address, "", after)?.read(behind, &end, &received)?;
                }
                Ok(())
            })
        };
        let threads = (0..count).map(thread).collect();
        Self { end, received, began: Instant::now(), threads }
    }

    /// The number of events that all clients together have read.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Ends the clients, and returns how many events per second all clients together have read.
    pub(crate) fn end(mut self) -> anyhow::Result<f64> {
        let rate = self.received() as f64 / self.began.elapsed().as_secs_f64();
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
    fn events_are_counted_however_their_bytes_are_split() {
        let wire = "HTTP/1.1 200 OK\r\n\r\n1a\r\ndata: {\"type\":\"connected\"}\n\n\r\n\
                    20\r\nid: 5\ndata: {}\n\nid: 8\ndata: {}\n\n\
                    \r\n7\r\nid: 9\n\n\r\n9\r\nid: 11\ndata: {}\n\n\r\n";
        for size in 1..=wire.len() {
            let mut events = Events { last: 4, ..Events::default() };
            wire.as_bytes().chunks(size).for_each(|piece| events.take(piece).unwrap());
            assert_eq!((events.count, events.last), (3, 11), "in pieces of {size} bytes");
        }
        let mut events = Events { last: 7, ..Events::default() };
        assert!(events.take(b"id: 7\ndata: {}\n\n").is_err());
    }
}
