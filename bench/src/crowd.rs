//! Runs thousands of clients on one thread. The thread does little more than read: it waits with epoll, reads
//! into one buffer, and searches for a mark that each event contains once. So the thread hardly distorts the
//! figures. The report includes the thread's processor time in the time of the generator.

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
pub(crate) use client::{Keep, Received};

use crate::events::MARK;

/// The maximum number of bytes in one read.
const BUFFER: usize = 256 << 10;
/// The maximum number of clients that are connected but have not received any bytes yet.
const AT_ONCE: usize = 200;
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// The epoll data of the socket that ends the thread. The epoll data of a client's socket is the index of the
/// client.
const END: u64 = u64::MAX;

/// The path that one client requests, and the data that the client keeps from the answer.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// The path, including the query.
    pub(crate) path: String,
    pub(crate) keep: Keep,
}

/// Connected clients that read everything that the server sends.
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    end: UnixStream,
    reader: Option<JoinHandle<anyhow::Result<Vec<Received>>>>,
}

#[derive(Default)]
struct Shared {
    /// The number of clients that have received their first bytes.
    begun: AtomicUsize,
    closed: AtomicUsize,
    /// The number of events that all clients together have received.
    events: AtomicU64,
    /// When `events` reaches this number, `changed` is notified.
    goal: AtomicU64,
    failed: AtomicBool,
    /// Notified when a client receives its first bytes, when the server closes a client, when `events`
    /// reaches `goal`, and when the thread fails.
    changed: Notify,
}

impl Crowd {
    /// Connects one client for each subscription, and waits until every client has received its first bytes.
    pub(crate) async fn connect(
        address: SocketAddr,
        subscriptions: Vec<Subscription>,
    ) -> anyhow::Result<Self> {
        Self::connect_counting(address, subscriptions, MARK).await
    }

    /// Like [`Crowd::connect`], but clients with [`Keep::Count`] count another mark. The server must send
    /// these bytes once with each event.
    pub(crate) async fn connect_counting(
        address: SocketAddr,
        subscriptions: Vec<Subscription>,
        mark: &'static [u8],
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared { goal: AtomicU64::new(u64::MAX), ..Shared::default() });
        let (end, ended) = UnixStream::pair()?;
        let count = subscriptions.len();
        let reader = thread::Builder::new().name("crowd".into()).spawn({
            let shared = shared.clone();
            move || {
                let result = read_all(address, &subscriptions, mark, &shared, &ended);
                if result.is_err() {
                    shared.failed.store(true, SeqCst);
                    shared.changed.notify_one();
                }
                result
            }
        })?;
        let mut crowd = Self { shared, end, reader: Some(reader) };
        let waited = crowd.wait(BEGIN_WITHIN, |shared| shared.begun.load(SeqCst) == count).await;
        if let Err(error) = waited {
            let begun = crowd.shared.begun.load(SeqCst);
            // If the thread has failed, this call returns the thread's error. That error is more precise than
            // the time-out.
            crowd.finish()?;
            return Err(error.context(format!("only {begun} of {count} clients received their first bytes")));
        }
        Ok(crowd)
    }

    /// Makes the subscriptions of `count` clients to the same path. All clients count their events. At most
    /// `checked` clients also record the sequence number of each event.
    pub(crate) fn subscriptions(path: &str, count: usize, checked: usize) -> Vec<Subscription> {
        let subscription = |n: usize| {
            // The checked clients are distributed evenly among all clients.
            let check = checked > 0 && n.is_multiple_of(count.div_ceil(checked));
            Subscription { path: path.to_owned(), keep: if check { Keep::Numbers } else { Keep::Count } }
        };
        (0..count).map(subscription).collect()
    }

    /// Waits until all clients together have received `events` events.
    pub(crate) async fn until(&self, events: u64, within: Duration) -> anyhow::Result<()> {
        self.shared.goal.store(events, SeqCst);
        let waited = self.wait(within, |shared| shared.events.load(SeqCst) >= events).await;
        waited.with_context(|| {
            format!(
                "{} of {events} events were received, and the server closed {} clients",
                self.shared.events.load(SeqCst),
                self.closed()
            )
        })
    }

    /// The number of clients whose connection the server has closed.
    pub(crate) fn closed(&self) -> usize {
        self.shared.closed.load(SeqCst)
    }

    /// Reads the bytes that have already arrived, closes all clients, and returns the events that each client
    /// has received.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Vec<Received>> {
        // If the thread has already ended, this write fails, and no message is needed.
        let _ = self.end.write_all(b"e");
        let reader = self.reader.take().context("the crowd has already ended")?;
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    async fn wait(&self, within: Duration, done: impl Fn(&Shared) -> bool) -> anyhow::Result<()> {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if done(&self.shared) {
                    return Ok(());
                }
                ensure!(!self.shared.failed.load(SeqCst), "the reading thread failed");
                changed.await;
            }
        };
        timeout(within, wait).await.with_context(|| format!("timed out after {} s", within.as_secs()))?
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
    subscriptions: &[Subscription],
    mark: &'static [u8],
    shared: &Shared,
    ended: &UnixStream,
) -> anyhow::Result<Vec<Received>> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, ended, EventData::new_u64(END), EventFlags::IN)?;
    let (mark, buffer) = (Finder::new(mark), vec![0; BUFFER]);
    let mut clients = Clients { streams: Vec::new(), readers: Vec::new(), mark, buffer, shared };
    let mut ready = Vec::with_capacity(1_024);
    loop {
        while clients.streams.len() < subscriptions.len()
            && clients.streams.len() < shared.begun.load(SeqCst) + AT_ONCE
        {
            let subscription = &subscriptions[clients.streams.len()];
            let stream = connect(address, &subscription.path)?;
            let data = EventData::new_u64(clients.streams.len() as u64);
            // With this flag, epoll reports a socket only when new bytes arrive. So after each report, the
            // socket is read until no bytes are left. If a read does not fill the buffer, no bytes are left.
            epoll::add(&epoll, &stream, data, EventFlags::IN | EventFlags::ET)?;
            clients.streams.push(Some(stream));
            clients.readers.push(Reader::new(subscription.keep));
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
            shared.changed.notify_one();
        }
        if end {
            // A server may have sent some events again after the expected events. This last read counts the
            // repeated events too.
            for client in 0..clients.streams.len() {
                clients.read(client)?;
            }
            return Ok(clients.readers.into_iter().map(Reader::received).collect());
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
    /// Reads all bytes that have arrived for a client, and returns the number of events that these bytes
    /// complete.
    fn read(&mut self, client: usize) -> anyhow::Result<u64> {
        let (stream, reader) = (&mut self.streams[client], &mut self.readers[client]);
        let mut events = 0;
        while let Some(open) = stream {
            match open.read(&mut self.buffer) {
                Ok(0) => {
                    *stream = None;
                    self.shared.closed.fetch_add(1, SeqCst);
                    self.shared.changed.notify_one();
                }
                Ok(length) => {
                    let began = reader.began();
                    events += reader.take(&self.buffer[..length], &self.mark)?;
                    if !began && reader.began() {
                        self.shared.begun.fetch_add(1, SeqCst);
                        self.shared.changed.notify_one();
                    }
                    if length < self.buffer.len() {
                        return Ok(events);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(events),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => bail!("the connection of a client broke: {error}"),
            }
        }
        Ok(events)
    }
}
