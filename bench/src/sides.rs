//! The servers that are measured side by side, each with what publishes to it: the gateway behind its table,
//! and the peers behind theirs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::{Instant as Tick, sleep_until};

use crate::crowd::{Ask, Crowd};
use crate::events::{Event, Inserts};
use crate::peers::floor::{self, Floor};
use crate::peers::nchan::{self, Nchan};
use crate::rows;
use crate::service::Service;
use crate::sse::{FEED, Feed};
use crate::stack::{Database, Stack};

/// Rows of one statement when they go as fast as they can.
const AT_ONCE: usize = 250;
/// A task of the events that are there before, and what a client begins with.
const EARLIER: &str = "DEV-EARLIER-0001";
const RECENT: i64 = 100;
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// One of the servers.
pub(crate) enum Side {
    Gateway { gateway: Box<Service>, client: tokio_postgres::Client, postgres: (&'static str, u32) },
    Nchan(Nchan),
    Floor(Floor),
}

/// When an event was given to a server: before the request was sent, and when the answer had come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// How fast events are given to a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as it takes them.
    Flat,
    /// One each time, evenly.
    Every(Duration),
}

impl Side {
    pub(crate) async fn gateway(stack: &Stack, database: &Database) -> anyhow::Result<Self> {
        let gateway = Box::new(stack.gateway(database).await?);
        Ok(Self::Gateway { gateway, client: database.connect().await?, postgres: stack.watched() })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.watched()[0].0
    }

    /// The server, and then what works for it.
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

    /// Where the events are.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Gateway { .. } => FEED,
            Self::Nchan(_) => nchan::PATH,
            Self::Floor(_) => "/",
        }
    }

    /// Connects clients none of which is shown events of an earlier crowd.
    pub(crate) async fn crowd(&self, asks: Vec<Ask>) -> anyhow::Result<Crowd> {
        self.earlier().await?;
        Crowd::connect(self.address(), asks).await
    }

    /// Gives a gateway events for new clients to begin with, and gives the id of the last.
    pub(crate) async fn earlier(&self) -> anyhow::Result<i64> {
        let Self::Gateway { gateway, client, .. } = self else { return Ok(0) };
        let mut feed = Feed::open(gateway.address).await?;
        let earlier = rows::append_many(client, EARLIER, RECENT).await?;
        let last = earlier.last().copied().context("no event was appended")?;
        while feed.next(KNOWN_WITHIN).await?.0 != last {}
        Ok(last)
    }

    /// What gives it events; for the floor it has to come after the clients, and leave after them.
    pub(crate) async fn publisher(&self) -> anyhow::Result<Publisher<'_>> {
        Ok(match self {
            Self::Gateway { client, .. } => Publisher::Table(Inserts::prepare(client).await?),
            Self::Nchan(nchan) => Publisher::Nchan(nchan.publisher().await?),
            Self::Floor(floor) => Publisher::Floor(floor.publisher().await?),
        })
    }

    /// What is to be told of the crowd that has left.
    pub(crate) fn parted(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Gateway { .. } | Self::Nchan(_) => Ok(None),
            Self::Floor(floor) => Ok(Some(format!("{} writes had to wait for room", floor.waited()?))),
        }
    }

    /// Ends it, and gives what it complained of.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Gateway { gateway, .. } => gateway.stop().await,
            Self::Nchan(nchan) => Ok(nchan.said()),
            Self::Floor(_) => Ok(Vec::new()),
        }
    }
}

/// What gives events to a server.
pub(crate) enum Publisher<'a> {
    Table(Inserts<'a>),
    Nchan(nchan::Publisher),
    Floor(floor::Publisher),
}

impl Publisher<'_> {
    /// Gives the events in their order. When each was given is known only where they have a pace.
    pub(crate) async fn publish(&mut self, events: &[Event], pace: Pace) -> anyhow::Result<Vec<Given>> {
        let every = match (pace, &mut *self) {
            (Pace::Flat, Self::Table(inserts)) => {
                for some in events.chunks(AT_ONCE) {
                    inserts.append(some).await?;
                }
                return Ok(Vec::new());
            }
            (Pace::Flat, Self::Nchan(publisher)) => {
                publisher.send(events).await?;
                return Ok(Vec::new());
            }
            (Pace::Flat, Self::Floor(_)) => Duration::ZERO,
            (Pace::Every(every), _) => every,
        };
        let mut given = Vec::with_capacity(events.len());
        let begin = Tick::now();
        for (event, nth) in events.iter().zip(0..) {
            sleep_until(begin + every * nth).await;
            let sent = Instant::now();
            match self {
                Self::Table(inserts) => inserts.append(std::slice::from_ref(event)).await?,
                Self::Nchan(publisher) => publisher.send(std::slice::from_ref(event)).await?,
                Self::Floor(publisher) => publisher.send(event).await?,
            }
            given.push(Given { sent, answered: Instant::now() });
        }
        Ok(given)
    }
}
