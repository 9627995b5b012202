//! gateway-feed: the public ticker, the query API and ingest.
//!
//! Its endpoints are listed in [`routes`]. One task tails the table, the [`fanout`] shares what it reads among the
//! subscribers of the [`streams`], and the same tail tells [`agents`] which agents are alive.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod agents;
mod console;
mod events;
mod fanout;
mod ingest;
mod params;
mod routes;
mod streams;

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use oasis_service::{Limits, ServiceArgs, Shutdown, Tokens, serve};
use oasis_store::{DatabaseArgs, Store};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::agents::Agents;
use crate::fanout::budget::Budget;
use crate::fanout::hub::Hub;
use crate::fanout::reads::Reads;
use crate::fanout::topics::{RECENT, Topics};
use crate::routes::Gateway;
use crate::streams::ticker::Ticker;

/// The bytes that the rings of all private topics share.
const PRIVATE_RINGS: usize = 32 << 20;

/// The name in logs, metrics, probes and the database's list of sessions.
pub const NAME: &str = "gateway-feed";

/// Shows every event as it happens: a public ticker (Server-Sent Events), a query API, and ingest
#[derive(Debug, Clone, Parser)]
#[command(name = "gateway-feed", version)]
pub struct Config {
    /// Where to listen, and what to log.
    #[command(flatten)]
    pub service: ServiceArgs<8080>,

    /// Where the table is.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Tokens that may read, comma-separated; without any, everybody may, and e-mail addresses in meta are withheld
    #[arg(
        long,
        env = "READ_TOKENS",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub read_tokens: Tokens,

    /// Tokens that may send events, comma-separated
    #[arg(
        long,
        env = "INGEST_TOKENS",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub ingest_tokens: Tokens,

    /// Let everybody send events, without a token
    #[arg(long, env = "INGEST_ANONYMOUS", value_name = "BOOL", default_value_t = false, num_args = 0..=1,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub ingest_anonymous: bool,

    /// Most clients that may follow the feed at the same time
    #[arg(long, env = "MAX_SUBSCRIBERS", value_name = "N", default_value_t = 18_000)]
    pub max_subscribers: usize,
}

/// Serves on `listener` until `shutdown` is triggered. The database may be away at the start and at any time later:
/// clients of the feed are kept and told once it is back.
///
/// # Errors
/// When TLS to the database cannot be set up as its URL asks for, or `listener` is not usable.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let connections = config.database.database_pool_size;
    let store = Store::new(config.database, NAME).context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let reads = Arc::new(Reads::new(Arc::new(store.clone())));
    let ticker = Topics::new(Ticker::new(config.max_subscribers), Arc::new(Budget::new(PRIVATE_RINGS)));
    let hub = Arc::new(Hub::new(vec![ticker.clone()], reads.clone()));
    let agents = Arc::new(Agents::new());
    // All go on until this function ends and drops the set.
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let (hub, agents, tail) = (hub.clone(), agents.clone(), store.tail().recent(RECENT));
        tail.run_async(move |update| {
            agents.update(&update);
            let hub = hub.clone();
            async move { hub.update(update).await }
        })
    });
    tasks.spawn({
        let hub = hub.clone();
        async move { hub.keep_time().await }
    });
    tasks.spawn({
        let (agents, store, appender) = (agents.clone(), store.clone(), appender.clone());
        async move { agents.watch(store, appender).await }
    });
    let app = Gateway {
        store,
        appender,
        hub,
        reads,
        ticker,
        agents,
        room: events::Room::new(connections),
        read_tokens: config.read_tokens,
        ingest_tokens: config.ingest_tokens,
        ingest_anonymous: config.ingest_anonymous,
    };
    let limits = Limits { max_connections: config.max_subscribers + 500, ..Limits::default() };
    tokio::select! {
        served = serve(Arc::new(app), listener, limits, shutdown) => served.context("serving"),
        ended = tasks.join_next() => Err(anyhow::anyhow!("the tail, the clock of the feed or the watch over agents failed: {ended:?}")),
    }
}
