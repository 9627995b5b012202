//! Viewers that connect again after each end of their stream, like the client of the console: they wait as
//! long as the server asked for, and longer after each failure, and send the id of their last line.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http::Head;
use crate::sse::Chunks;

/// The first wait if the server did not ask for another wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The maximum wait without its random part.
const MOST_WAIT: Duration = Duration::from_secs(20);
/// The maximum number of viewers that open their first stream at the same time.
const AT_ONCE: usize = 200;

/// What the viewers have in common.
#[derive(Default)]
pub(super) struct Progress {
    /// The number of viewers whose first stream has begun.
    pub(super) begun: AtomicUsize,
    /// The number of viewers that have lost a stream and have another stream now.
    pub(super) back: AtomicUsize,
    /// The number of lines that all viewers have received.
    pub(super) lines: AtomicU64,
    /// The number of attempts to connect again.
    pub(super) attempts: AtomicUsize,
}

/// Viewers, on a thread of their own.
pub(super) struct Viewers {
    pub(super) progress: Arc<Progress>,
    end: watch::Sender<bool>,
    thread: JoinHandle<anyhow::Result<Vec<Vec<i64>>>>,
}

impl Viewers {
    /// Starts one viewer for each path.
    pub(super) fn start(address: SocketAddr, paths: Vec<String>) -> anyhow::Result<Self> {
        let progress = Arc::<Progress>::default();
        let (end, ended) = watch::channel(false);
        let thread = thread::Builder::new().name("viewers".into()).spawn({
            let progress = progress.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(view_all(address, paths, progress, ended))
            }
        })?;
        Ok(Self { progress, end, thread })
    }

    /// Ends all viewers, and returns the ids of the lines that each viewer has received.
    pub(super) fn finish(self) -> anyhow::Result<Vec<Vec<i64>>> {
        // If the thread has already ended, it has failed, and the thread returns its error.
        let _ = self.end.send(true);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

async fn view_all(
    address: SocketAddr,
    paths: Vec<String>,
    progress: Arc<Progress>,
    ended: watch::Receiver<bool>,
) -> anyhow::Result<Vec<Vec<i64>>> {
    let (starts, count) = (Arc::new(Semaphore::new(AT_ONCE)), paths.len());
    let mut viewers = JoinSet::new();
    for (number, path) in paths.into_iter().enumerate() {
        let (starts, progress, mut ended) = (starts.clone(), progress.clone(), ended.clone());
        viewers.spawn(async move {
            let mut viewer = Viewer::new(address, path, progress, number as u64);
            tokio::select! {
                result = viewer.view(&starts) => result?,
                _ = ended.wait_for(|ended| *ended) => {}
            }
            anyhow::Ok((number, viewer.blocks.lines))
        });
    }
    let mut all = vec![Vec::new(); count];
    while let Some(viewer) = viewers.join_next().await {
        let (number, lines) = viewer??;
        all[number] = lines;
    }
    Ok(all)
}

struct Viewer {
    address: SocketAddr,
    path: String,
    progress: Arc<Progress>,
    blocks: Blocks,
    random: Cell<u64>,
    /// Whether the viewer has lost a stream.
    has_lost: bool,
}

impl Viewer {
    fn new(address: SocketAddr, path: String, progress: Arc<Progress>, number: u64) -> Self {
        let random = Cell::new(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self { address, path, progress, blocks: Blocks::default(), random, has_lost: false }
    }

    /// Follows the room until this future is dropped.
    async fn view(&mut self, starts: &Semaphore) -> anyhow::Result<()> {
        let start = starts.acquire().await?;
        let mut stream = self.open().await?;
        self.progress.begun.fetch_add(1, SeqCst);
        drop(start);
        loop {
            // An error ends the stream, too.
            let _ = self.read(&mut stream).await;
            if std::mem::replace(&mut self.has_lost, true) {
                self.progress.back.fetch_sub(1, SeqCst);
            }
            let mut wait = self.blocks.wait.take().unwrap_or(FIRST_WAIT);
            stream = loop {
                sleep(wait.mul_f64(1.0 + self.random() / 2.0)).await;
                self.progress.attempts.fetch_add(1, SeqCst);
                match self.open().await {
                    Ok(stream) => break stream,
                    Err(_) => wait = wait.max((wait * 2).min(MOST_WAIT)),
                }
            };
            self.progress.back.fetch_add(1, SeqCst);
        }
    }

    /// Connects, and reads until the first event, `connected`, has arrived.
    async fn open(&mut self) -> anyhow::Result<Stream> {
        let mut tcp = TcpStream::connect(self.address).await?;
        let cursor = self.blocks.last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let (path, address) = (&self.path, self.address);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{cursor}\r\n");
        tcp.write_all(request.as_bytes()).await?;
        let mut received = Vec::with_capacity(1_024);
        let head = loop {
            ensure!(tcp.read_buf(&mut received).await? > 0, "the stream was closed before it began");
            if let Some(head) = Head::parse(&received)? {
                break head;
            }
        };
        ensure!(head.status == 200 && head.chunked, "the answer is {}", head.status);
        self.blocks.begin();
        let mut stream = Stream { tcp, chunks: Chunks::default() };
        self.take(&mut stream, &received[head.length..]);
        while !self.blocks.is_connected {
            ensure!(self.receive(&mut stream).await?, "the stream was closed before it began");
        }
        Ok(stream)
    }

    /// Reads until the stream ends.
    async fn read(&mut self, stream: &mut Stream) -> anyhow::Result<()> {
        while self.receive(stream).await? {}
        Ok(())
    }

    /// Receives bytes once. Returns false at the end of the stream.
    async fn receive(&mut self, stream: &mut Stream) -> anyhow::Result<bool> {
        stream.tcp.readable().await.context("the connection broke")?;
        // The buffer exists only while bytes are read. So an idle viewer needs little memory.
        let mut received = [0; 4_096];
        match stream.tcp.try_read(&mut received) {
            Ok(0) => Ok(false),
            Ok(length) => {
                self.take(stream, &received[..length]);
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, stream: &mut Stream, bytes: &[u8]) {
        let before = self.blocks.lines.len();
        stream.chunks.take(bytes, |data| self.blocks.take(data));
        self.progress.lines.fetch_add((self.blocks.lines.len() - before) as u64, SeqCst);
    }

    /// A random number from 0 to 1 (xorshift).
    fn random(&self) -> f64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        (x >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Stream {
    tcp: TcpStream,
    chunks: Chunks,
}

/// What a viewer remembers of the blocks of its streams.
#[derive(Default)]
struct Blocks {
    /// The bytes of a block that is not complete.
    rest: Vec<u8>,
    /// The last id of all streams.
    last: Option<i64>,
    /// The ids of the lines.
    lines: Vec<i64>,
    /// How long the server asked to wait before the next connect.
    wait: Option<Duration>,
    /// Whether the stream has begun with the event `connected`.
    is_connected: bool,
}

impl Blocks {
    fn begin(&mut self) {
        (self.rest, self.is_connected) = (Vec::new(), false);
    }

    fn take(&mut self, data: &[u8]) {
        self.rest.extend_from_slice(data);
        let mut begin = 0;
        while let Some(end) = memchr::memmem::find(&self.rest[begin..], b"\n\n").map(|at| begin + at) {
            let block = String::from_utf8_lossy(&self.rest[begin..end]).into_owned();
            self.block(&block);
            begin = end + 2;
        }
        self.rest.drain(..begin);
    }

    fn block(&mut self, block: &str) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let id = field("id: ").and_then(|id| id.parse().ok());
        self.last = id.or(self.last);
        if let Some(wait) = field("retry: ").and_then(|wait| wait.parse().ok()) {
            self.wait = Some(Duration::from_millis(wait));
        }
        match (field("event: "), id) {
            (Some("connected"), _) => self.is_connected = true,
            (Some("log"), Some(id)) => self.lines.push(id),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_remembers_lines_the_last_id_and_the_wait() {
        let mut blocks = Blocks::default();
        let wire = "event: connected\ndata: {}\n\nid: 7\nevent: log\ndata: {}\n\nid: 9\n\nretry: 2500\n\n";
        for byte in wire.as_bytes() {
            blocks.take(&[*byte]);
        }
        assert!(blocks.is_connected);
        assert_eq!((blocks.lines.as_slice(), blocks.last), ([7].as_slice(), Some(9)));
        assert_eq!(blocks.wait, Some(Duration::from_millis(2_500)));
    }
}
