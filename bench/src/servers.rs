//! The servers that the bench compares: the gateway and its peers. Each server has a publisher of events.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::{Instant as Tick, sleep_until};

use crate::crowd::{Crowd, Subscription};
use crate::events::{Event, Inserts};
use crate::peers::floor::{self, Floor};
use crate::peers::nchan::{self, Nchan};
use crate::rows;
use crate::service::Service;
use crate::sse::{FEED, Feed};
use crate::stack::{Database, Stack};

/// The number of rows per statement when events are published as fast as possible.
const AT_ONCE: usize = 250;
/// The task of the events that are stored before the clients connect. A gateway sends the last 20 of these
/// events to each new client first.
const EARLIER: &str = "DEV-EARLIER-0001";
/// The number of events that are stored before the clients connect.
const RECENT: i64 = 100;
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// A server to measure.
pub(crate) enum Server {
    Gateway { gateway: Box<Service>, client: tokio_postgres::Client, postgres: (&'static str, u32) },
    Nchan(Nchan),
    Floor(Floor),
}

/// The times of one publication: just before the request was sent, and when the answer came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// How fast events are published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as the server accepts events.
    Unpaced,
    /// One event per interval.
    Every(Duration),
}

impl Server {
    pub(crate) async fn gateway(stack: &Stack, database: &Database) -> anyhow::Result<Self> {
        let gateway = Box::new(stack.gateway(database).await?);
        Ok(Self::Gateway { gateway, client: database.connect().await?, postgres: stack.watched() })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.watched()[0].0
    }

    /// The names and process ids of the server and of the processes that work for it. The server comes first.
    pub(crate) fn watched(&self) -> Vec<(&'static str, u32)> {
        match self {
            Self::Gateway { gateway, postgres, .. } => vec![gateway.watched(), *postgres],
            Self::Nchan(nchan) => vec![nchan.process.watched()],
            Self::Floor(floor) => vec![floor.process.watched()],
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.watched()[0].1
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Gateway { gateway, .. } => gateway.address,
            Self::Nchan(nchan) => nchan.address,
            Self::Floor(floor) => floor.clients,
        }
    }

    /// The path of the event stream.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Gateway { .. } => FEED,
            Self::Nchan(_) => nchan::PATH,
            Self::Floor(_) => "/",
        }
    }

    /// Connects clients. The clients get no event that an earlier crowd received.
    pub(crate) async fn crowd(&self, subscriptions: Vec<Subscription>) -> anyhow::Result<Crowd> {
        self.append_earlier_events().await?;
        Crowd::connect(self.address(), subscriptions).await
    }

    /// Appends the events that a gateway sends to new clients first, and returns the id of the last event.
    /// For a peer, appends nothing and returns 0.
    pub(crate) async fn append_earlier_events(&self) -> anyhow::Result<i64> {
        let Self::Gateway { gateway, client, .. } = self else { return Ok(0) };
        let mut feed = Feed::open(gateway.address).await?;
        let earlier = rows::append_many(client, EARLIER, RECENT).await?;
        let last = earlier.last().copied().context("no event was appended")?;
        while feed.next(KNOWN_WITHIN).await?.0 != last {}
        Ok(last)
    }

    /// Connects a publisher. The publisher of the floor must connect after the clients, and must be dropped
    /// after the clients are closed.
    pub(crate) async fn publisher(&self) -> anyhow::Result<Publisher<'_>> {
        Ok(match self {
            Self::Gateway { client, .. } => Publisher::Table(Inserts::prepare(client).await?),
            Self::Nchan(nchan) => Publisher::Nchan(nchan.publisher().await?),
            Self::Floor(floor) => Publisher::Floor(floor.publisher().await?),
        })
    }

    /// A remark about the last crowd, for the report. The publisher for this crowd must already be dropped.
    pub(crate) fn take_remark(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Gateway { .. } | Self::Nchan(_) => Ok(None),
            Self::Floor(floor) => Ok(Some(format!("{} writes waited for buffer space", floor.waited()?))),
        }
    }

    /// Ends the server, and returns the problems that its log shows.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Gateway { gateway, .. } => gateway.stop().await,
            Self::Nchan(nchan) => Ok(nchan.log_lines()),
            Self::Floor(_) => Ok(Vec::new()),
        }
    }
}

/// Publishes events to a server.
pub(crate) enum Publisher<'a> {
    Table(Inserts<'a>),
    Nchan(nchan::Publisher),
    Floor(floor::Publisher),
}

impl Publisher<'_> {
    /// Publishes the events in the given order, and returns the times of each event. With [`Pace::Unpaced`],
    /// a gateway and Nchan get the events in batches, and the result is empty.
    pub(crate) async fn publish(&mut self, events: &[Event], pace: Pace) -> anyhow::Result<Vec<Published>> {
        let every = match (pace, &mut *self) {
            (Pace::Unpaced, Self::Table(inserts)) => {
                for batch in events.chunks(AT_ONCE) {
                    inserts.append(batch).await?;
                }
                return Ok(Vec::new());
            }
            (Pace::Unpaced, Self::Nchan(publisher)) => {
                publisher.send(events).await?;
                return Ok(Vec::new());
            }
            (Pace::Unpaced, Self::Floor(_)) => Duration::ZERO,
            (Pace::Every(every), _) => every,
        };
        let mut published = Vec::with_capacity(events.len());
        let begin = Tick::now();
        for (event, nth) in events.iter().zip(0..) {
            sleep_until(begin + every * nth).await;
            let sent = Instant::now();
            match self {
                Self::Table(inserts) => inserts.append(std::slice::from_ref(event)).await?,
                Self::Nchan(publisher) => publisher.send(std::slice::from_ref(event)).await?,
                Self::Floor(publisher) => publisher.send(event).await?,
            }
            published.push(Published { sent, answered: Instant::now() });
        }
        Ok(published)
    }
}
