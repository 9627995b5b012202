//! The clients of one server, and the load that the server gets. Each client reads one topic, and each topic
//! has equally many clients. Lines or events, here called items, are written to random topics. Each client
//! must receive exactly the items of its topic.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;

use crate::crowd::{Crowd, Subscription};
use crate::draw::{Draw, Item, pace};
use crate::processes::{Meter, kib};
use crate::service::Service;

const ARRIVE_WITHIN: Duration = Duration::from_secs(10);
/// When items are written as fast as possible, at most this number of batches is under way.
pub(crate) const BATCHES_UNDER_WAY: usize = 20;

/// Writes items to the store of a server.
pub(crate) trait Writer {
    /// Writes a batch of items.
    async fn write(&mut self, items: &[Item]) -> anyhow::Result<()>;
}

/// How fast items are written, and how many of them per batch.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Fixed { batch: usize, batches_per_second: u32 },
    AsFastAsPossible { batch: usize },
}

impl Pace {
    /// The text of the report. `items` is the name of the items.
    pub(crate) fn text(self, items: &str) -> String {
        match self {
            Self::Fixed { batch, batches_per_second } => {
                format!("{} {items}/s", batch as u64 * u64::from(batches_per_second))
            }
            Self::AsFastAsPossible { .. } => "as fast as possible".to_owned(),
        }
    }

    pub(crate) fn batch(self) -> usize {
        match self {
            Self::Fixed { batch, .. } | Self::AsFastAsPossible { batch } => batch,
        }
    }
}

/// Connected clients, and the writer of their items.
pub(crate) struct Audience<W> {
    crowd: Crowd,
    writer: W,
    draw: Draw,
    /// The numbers of the items of each topic.
    written: Vec<Vec<u64>>,
    clients_per_topic: usize,
}

impl<W: Writer> Audience<W> {
    /// Connects one client for each subscription. The client with the number n reads the topic n modulo
    /// `topics`. The server must send the bytes `mark` once with each item.
    pub(crate) async fn connect(
        address: SocketAddr,
        subscriptions: Vec<Subscription>,
        topics: usize,
        mark: &'static [u8],
        writer: W,
    ) -> anyhow::Result<Self> {
        let clients = subscriptions.len();
        ensure!(clients.is_multiple_of(topics), "{topics} topics cannot share {clients} clients equally");
        let crowd = Crowd::connect_counting(address, subscriptions, mark).await?;
        let (draw, written) = (Draw::new(topics), vec![Vec::new(); topics]);
        Ok(Self { crowd, writer, draw, written, clients_per_topic: clients / topics })
    }

    /// Writes items to random topics for `time`, and waits until each of them has arrived at all clients of
    /// its topic. Returns the number of items.
    pub(crate) async fn write(&mut self, at: Pace, time: Duration) -> anyhow::Result<u64> {
        let (began, before, mut batches) = (Instant::now(), self.draw.drawn(), 0);
        while began.elapsed() < time {
            let items = self.draw.items(at.batch());
            self.writer.write(&items).await?;
            items.iter().for_each(|(topic, number)| self.written[*topic].push(*number));
            batches += 1;
            match at {
                Pace::Fixed { batches_per_second, .. } => pace(began, batches, batches_per_second).await,
                Pace::AsFastAsPossible { batch } => {
                    let under_way = (BATCHES_UNDER_WAY * batch) as u64;
                    self.arrived(self.draw.drawn().saturating_sub(under_way)).await?;
                }
            }
        }
        self.arrived(self.draw.drawn()).await?;
        Ok(self.draw.drawn() - before)
    }

    async fn arrived(&self, items: u64) -> anyhow::Result<()> {
        self.crowd.until(items * self.clients_per_topic as u64, ARRIVE_WITHIN).await
    }

    /// The number of items so far.
    pub(crate) fn items(&self) -> u64 {
        self.draw.drawn()
    }

    /// Closes all clients, and returns the number of frames that they have received. Returns an error unless
    /// each client has received the items of its topic once. A client that keeps the numbers of the items
    /// must have received them in order.
    pub(crate) fn finish(mut self) -> anyhow::Result<u64> {
        let closed = self.crowd.closed();
        ensure!(closed == 0, "the server closed {closed} clients");
        let received = self.crowd.finish()?;
        for (client, got) in received.iter().enumerate() {
            let topic = client % self.written.len();
            let written = &self.written[topic];
            ensure!(
                got.events == written.len() as u64,
                "client {client} got {} items instead of the {} items of topic {topic}",
                got.events,
                written.len()
            );
            ensure!(
                got.numbers.is_empty() || got.numbers == *written,
                "client {client} got the items {:?} instead of {written:?}",
                got.numbers
            );
        }
        Ok(received.iter().map(|got| got.events).sum())
    }
}

/// A gateway and its clients, and what they cost.
pub(crate) struct Gateway<W> {
    pub(crate) service: Service,
    pub(crate) audience: Audience<W>,
    /// The memory per idle client, in KiB.
    pub(crate) kib_each: f64,
}

/// The processor time of items, without the time that the gateway uses while no items are written.
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) items: u64,
    /// A text that says how many processors each process used while the items were written.
    pub(crate) cpu: String,
}

impl<W: Writer> Gateway<W> {
    /// Connects the clients, as [`Audience::connect`] does. `settle` is the pause between connecting the
    /// clients and reading the memory.
    pub(crate) async fn connect(
        service: Service,
        subscriptions: Vec<Subscription>,
        topics: usize,
        mark: &'static [u8],
        writer: W,
        settle: Duration,
    ) -> anyhow::Result<Self> {
        let (pid, clients) = (service.pid(), subscriptions.len());
        sleep(settle.min(Duration::from_secs(3))).await;
        let before = kib(pid, "VmRSS")?;
        let audience = Audience::connect(service.address, subscriptions, topics, mark, writer).await?;
        sleep(settle).await;
        let kib_each = (kib(pid, "VmRSS")? - before) / clients as f64;
        Ok(Self { service, audience, kib_each })
    }

    /// Measures the processor time of items that are written for the time `turn`. Before, the gateway gets no
    /// items for the same time.
    pub(crate) async fn cost(
        &mut self,
        at: Pace,
        turn: Duration,
        postgres: (&'static str, u32),
    ) -> anyhow::Result<Cost> {
        let watched = [self.service.watched(), postgres];
        let pid = self.service.pid();
        let meter = Meter::start(&watched);
        sleep(turn).await;
        let idle = meter.seconds(pid);
        let meter = Meter::start(&watched);
        let items = self.audience.write(at, turn).await?;
        Ok(Cost { seconds: meter.seconds(pid) - idle, items, cpu: meter.text() })
    }
}
