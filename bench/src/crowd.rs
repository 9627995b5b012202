//! Thousands of clients on one thread that does little more than read: epoll, one buffer for all, and a
//! search for what each event has once. Light enough not to be what is measured, and its processor time is
//! told apart.

mod client;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use memchr::memmem::Finder;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use tokio::sync::Notify;
use tokio::time::timeout;

use client::Reader;
pub(crate) use client::{Got, Keep};

use crate::events::MARK;

/// The largest read.
const BUFFER: usize = 256 << 10;
/// Clients that may be waiting for their first bytes while more connect.
const AT_ONCE: usize = 200;
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// What tells the pipe that ends it from a client.
const END: u64 = u64::MAX;

/// What one client asks for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// With its query.
    pub(crate) path: String,
    pub(crate) keep: Keep,
}

/// Clients that are connected and read whatever comes.
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    end: UnixStream,
    reader: Option<JoinHandle<anyhow::Result<Vec<Got>>>>,
}

#[derive(Default)]
struct Shared {
    /// Clients that have got their first bytes.
    begun: AtomicUsize,
    closed: AtomicUsize,
    /// Events that all of them together have got.
    events: AtomicU64,
    /// The number of those to tell of.
    goal: AtomicU64,
    failed: AtomicBool,
    /// Everybody has begun, the goal is reached, a client was closed, or it failed.
    told: Notify,
}

impl Crowd {
    /// Connects one client for each of `asks` and waits until each has got its first bytes.
    pub(crate) async fn connect(address: SocketAddr, asks: Vec<Ask>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared { goal: AtomicU64::new(u64::MAX), ..Shared::default() });
        let (end, ended) = UnixStream::pair()?;
        let count = asks.len();
        let reader = thread::Builder::new().name("crowd".into()).spawn({
            let shared = shared.clone();
            move || {
                let result = read_all(address, &asks, &shared, &ended);
                if result.is_err() {
                    shared.failed.store(true, SeqCst);
                    shared.told.notify_one();
                }
                result
            }
        })?;
        let mut crowd = Self { shared, end, reader: Some(reader) };
        let waited = crowd.wait(BEGIN_WITHIN, |shared| shared.begun.load(SeqCst) == count).await;
        if let Err(error) = waited {
            let begun = crowd.shared.begun.load(SeqCst);
            // Its own error says more than that nobody came.
            crowd.finish()?;
            return Err(error.context(format!("{begun} of {count} clients have begun")));
        }
        Ok(crowd)
    }

    /// `count` clients that ask for the same and count what they get, of which `checked` also keep the
    /// numbers.
    pub(crate) fn asks(path: &str, count: usize, checked: usize) -> Vec<Ask> {
        let one = |n: usize| {
            // Spread over all of them.
            let check = checked > 0 && n.is_multiple_of(count.div_ceil(checked));
            Ask { path: path.to_owned(), keep: if check { Keep::Numbers } else { Keep::Count } }
        };
        (0..count).map(one).collect()
    }

    /// Waits until they have got `events` together.
    pub(crate) async fn until(&self, events: u64, within: Duration) -> anyhow::Result<()> {
        self.shared.goal.store(events, SeqCst);
        let waited = self.wait(within, |shared| shared.events.load(SeqCst) >= events).await;
        waited.with_context(|| {
            format!(
                "{} of {events} deliveries have come; {} clients were closed",
                self.shared.events.load(SeqCst),
                self.closed()
            )
        })
    }

    /// Clients that the server has closed.
    pub(crate) fn closed(&self) -> usize {
        self.shared.closed.load(SeqCst)
    }

    /// Reads what is still there, closes all, and gives what each client got.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Vec<Got>> {
        // It may have ended by itself.
        let _ = self.end.write_all(b"e");
        let reader = self.reader.take().context("the crowd has ended")?;
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    async fn wait(&self, within: Duration, done: impl Fn(&Shared) -> bool) -> anyhow::Result<()> {
        let wait = async {
            loop {
                let told = self.shared.told.notified();
                if done(&self.shared) {
                    return Ok(());
                }
                ensure!(!self.shared.failed.load(SeqCst), "the reading thread failed");
                told.await;
            }
        };
        timeout(within, wait).await.with_context(|| format!("not within {} s", within.as_secs()))?
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if self.reader.is_some()
            && let Err(error) = self.finish()
        {
            eprintln!("the crowd failed: {error:#}");
        }
    }
}

struct Clients<'a> {
    streams: Vec<Option<TcpStream>>,
    readers: Vec<Reader>,
    mark: Finder<'static>,
    buffer: Vec<u8>,
    shared: &'a Shared,
}

fn read_all(
    address: SocketAddr,
    asks: &[Ask],
    shared: &Shared,
    ended: &UnixStream,
) -> anyhow::Result<Vec<Got>> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, ended, EventData::new_u64(END), EventFlags::IN)?;
    let (mark, buffer) = (Finder::new(MARK), vec![0; BUFFER]);
    let mut clients = Clients { streams: Vec::new(), readers: Vec::new(), mark, buffer, shared };
    let mut ready = Vec::with_capacity(1_024);
    loop {
        while clients.streams.len() < asks.len()
            && clients.streams.len() < shared.begun.load(SeqCst) + AT_ONCE
        {
            let ask = &asks[clients.streams.len()];
            let stream = connect(address, &ask.path)?;
            let data = EventData::new_u64(clients.streams.len() as u64);
            // On the edge: one read that does not fill the buffer has taken all there was.
            epoll::add(&epoll, &stream, data, EventFlags::IN | EventFlags::ET)?;
            clients.streams.push(Some(stream));
            clients.readers.push(Reader::new(ask.keep));
        }
        ready.clear();
        epoll::wait(&epoll, spare_capacity(&mut ready), None)?;
        let mut events = 0;
        let mut end = false;
        for event in &ready {
            match event.data.u64() {
                END => end = true,
                client => events += clients.read(client as usize)?,
            }
        }
        let before = shared.events.fetch_add(events, SeqCst);
        let goal = shared.goal.load(SeqCst);
        if (before..before + events).contains(&(goal.wrapping_sub(1))) {
            shared.told.notify_one();
        }
        if end {
            // What a server sent too much is counted too.
            for client in 0..clients.streams.len() {
                clients.read(client)?;
            }
            return Ok(clients.readers.into_iter().map(Reader::got).collect());
        }
    }
}

fn connect(address: SocketAddr, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Clients<'_> {
    /// Reads all that there is for one client, and gives how many events that completed.
    fn read(&mut self, client: usize) -> anyhow::Result<u64> {
        let (stream, reader) = (&mut self.streams[client], &mut self.readers[client]);
        let mut events = 0;
        while let Some(open) = stream {
            match open.read(&mut self.buffer) {
                Ok(0) => {
                    *stream = None;
                    self.shared.closed.fetch_add(1, SeqCst);
                    self.shared.told.notify_one();
                }
                Ok(length) => {
                    let began = reader.began();
                    events += reader.take(&self.buffer[..length], &self.mark)?;
                    if !began && reader.began() {
                        self.shared.begun.fetch_add(1, SeqCst);
                        self.shared.told.notify_one();
                    }
                    if length < self.buffer.len() {
                        return Ok(events);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(events),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => bail!("a client was cut off: {error}"),
            }
        }
        Ok(events)
    }
}
