//! Compares a gateway with a peer that has a store of its own: the memory per client, and the items delivered
//! per processor second of the server. The items are written to the store of each server. Both servers take
//! turns in the same run.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;

use crate::audience::{Audience, Pace, Writer};
use crate::crowd::Subscription;
use crate::peers::pubsub::{Peer, PubSub};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::service::Service;
use crate::stack::{GATEWAY, Stack};

/// A peer, and what both servers have in common.
pub(crate) struct Comparison {
    pub(crate) peer: Peer,
    /// The text of the report for a client, such as "viewer".
    pub(crate) client: &'static str,
    /// The text of the report for the items, such as "lines".
    pub(crate) items: &'static str,
    pub(crate) clients: usize,
    pub(crate) topics: usize,
    /// The bytes that each item has once in the streams of both servers.
    pub(crate) mark: &'static [u8],
    /// The pause between connecting the clients and reading the memory.
    pub(crate) settle: Duration,
    /// How long items are written at each pace.
    pub(crate) turn: Duration,
    /// The bar for the ratio of the items delivered per processor second.
    pub(crate) delivered: f64,
    /// The bar for the ratio of the memory per client.
    pub(crate) memory: Option<f64>,
}

/// The paces of all comparisons.
pub(crate) const PACES: [Pace; 2] =
    [Pace::Fixed { batch: 10, batches_per_second: 100 }, Pace::AsFastAsPossible { batch: 250 }];

/// A server and its store: the name and the process id of each.
pub(crate) struct Watched {
    server: (&'static str, u32),
    store: (&'static str, u32),
    /// Whether one process of the store holds all its memory.
    store_is_one_process: bool,
}

/// The figures of one server, with one value per round.
#[derive(Default)]
pub(crate) struct Figures {
    kib_each: Vec<f64>,
    store_kib_each: Vec<f64>,
    /// One entry for each pace.
    rates: [Rates; PACES.len()],
}

/// The items delivered per processor second, with one value per round.
#[derive(Default)]
struct Rates {
    of_server: Vec<f64>,
    of_store: Vec<f64>,
    cpu: String,
}

impl Comparison {
    /// Measures a gateway for one round.
    pub(crate) async fn gateway<W: Writer>(
        &self,
        stack: &Stack,
        gateway: &Service,
        subscriptions: Vec<Subscription>,
        writer: W,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let (server, store) = (gateway.watched(), stack.watched());
        let watched = Watched { server, store, store_is_one_process: false };
        self.turn(gateway.address, &watched, subscriptions, writer, figures).await
    }

    /// Measures the peer for one round.
    pub(crate) async fn peer<W: Writer>(
        &self,
        peer: &PubSub,
        subscriptions: Vec<Subscription>,
        writer: W,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let (server, store) = (peer.server.watched(), peer.redis.watched());
        let watched = Watched { server, store, store_is_one_process: true };
        self.turn(peer.server.address, &watched, subscriptions, writer, figures).await
    }

    /// Connects the clients, reads the memory, and writes items to random topics.
    async fn turn<W: Writer>(
        &self,
        address: SocketAddr,
        watched: &Watched,
        subscriptions: Vec<Subscription>,
        writer: W,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let Watched { server, store, store_is_one_process } = *watched;
        let memory = || -> anyhow::Result<(f64, f64)> {
            let store = if store_is_one_process { kib(store.1, "VmRSS")? } else { f64::NAN };
            Ok((kib(server.1, "VmRSS")?, store))
        };
        sleep(self.settle.min(Duration::from_secs(3))).await;
        let before = memory()?;
        let mut audience = Audience::connect(address, subscriptions, self.topics, self.mark, writer).await?;
        sleep(self.settle).await;
        let after = memory()?;
        figures.kib_each.push((after.0 - before.0) / self.clients as f64);
        figures.store_kib_each.push((after.1 - before.1) / self.clients as f64);
        for (pace, rates) in PACES.into_iter().zip(&mut figures.rates) {
            let meter = Meter::start(&[server, store]);
            let items = audience.write(pace, self.turn).await?;
            let delivered = (items * (self.clients / self.topics) as u64) as f64;
            rates.of_server.push(delivered / meter.seconds(server.1));
            rates.of_store.push(delivered / meter.seconds(store.1));
            rates.cpu = meter.text();
        }
        audience.finish().with_context(|| format!("the clients of {}", server.0))?;
        Ok(())
    }

    /// Adds the figures of both servers and their ratios to the report. If the peer could not be measured,
    /// `theirs` is the reason.
    pub(crate) fn rows(&self, report: &mut Report, ours: &Figures, theirs: &Result<Figures, String>) {
        self.rows_of_server(report, GATEWAY, "PostgreSQL", ours);
        let theirs = match theirs {
            Ok(theirs) => theirs,
            Err(why) => return report.missing(self.peer.name(), why),
        };
        self.rows_of_server(report, self.peer.name(), "Redis", theirs);
        let (Self { client, items, .. }, peer) = (self, self.peer.short_name());
        for (nth, pace) in PACES.into_iter().enumerate() {
            let pace = pace.text(items);
            let what = format!("{pace}: ratio to {peer}, {items} delivered per CPU second of the server");
            let ratio = Row::ratio(&what, &ours.rates[nth].of_server, &theirs.rates[nth].of_server);
            report.row(ratio.bar(Bar::AtLeast(self.delivered)));
        }
        let what = format!("ratio to {peer}: memory per {client}");
        let ratio = Row::ratio(&what, &ours.kib_each, &theirs.kib_each);
        report.row(match self.memory {
            Some(bar) => ratio.bar(Bar::AtMost(bar)),
            None => ratio,
        });
    }

    fn rows_of_server(&self, report: &mut Report, server: &str, store: &str, figures: &Figures) {
        let Self { client, items, .. } = self;
        let row = |what: String, unit, values: &[f64]| Row::of(what, unit, &Samples::new(values.to_vec()));
        let what = format!("{server}: memory per idle {client}, {} {client}s", self.clients);
        report.row(row(what, "KiB", &figures.kib_each));
        if !figures.store_kib_each.iter().any(|kib| kib.is_nan()) {
            let what = format!("{server}: memory of {store} per idle {client}");
            report.row(row(what, "KiB", &figures.store_kib_each));
        }
        for (pace, rates) in PACES.into_iter().zip(&figures.rates) {
            let what = format!("{server}, {}: {items} delivered per CPU second of", pace.text(items));
            report.row(row(format!("{what} the server"), "/s", &rates.of_server).cpu(rates.cpu.clone()));
            report.row(row(format!("{what} {store}"), "/s", &rates.of_store));
        }
    }
}
