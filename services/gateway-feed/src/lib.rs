//! gateway-feed: the public ticker, rooms, the query API and ingest of OASIS DevHub.
//!
//! [`routes`] lists the endpoints. One task, the tail, reads every new row of the table. [`rights`] gets
//! the rows first, and ends the streams of viewers who may no longer read. The [`fanout`] then delivers the
//! rows to the subscribers of the [`streams`]. [`agents`] uses the same rows to find out which agents are
//! alive, and [`casts`] to bring casts to the states of their workflow runs.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod access;
mod agents;
mod batch;
mod canon;
mod casts;
mod config;
mod console;
mod directory;
mod fanout;
mod health;
mod ingest;
mod meant;
mod openapi;
mod query;
mod ready;
mod resources;
mod rights;
mod rooms;
mod route;
mod routes;
mod streams;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use oasis_service::{Limits, Listeners, Shutdown, serve};
use oasis_store::Store;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use access::{BadTokens, NotAnOrigin, Origins, SenderTokens};
pub use config::{Config, NAME};
pub use ingest::read_events;
pub use query::{EventsRequest, FeedRequest};

use crate::access::{Callers, Readers, Refusals, Revocations, Senders};
use crate::agents::Agents;
use crate::canon::Canon;
use crate::casts::{Audit, Casts, Places, Runs, store_rows};
use crate::directory::Directory;
use crate::fanout::table::Database;
use crate::fanout::topics::RECENT;
use crate::query::EventQueries;
use crate::resources::Resources;
use crate::rights::Rights;
use crate::rooms::Rooms;
use crate::routes::Gateway;
use crate::streams::Streams;
use crate::streams::casts::CastEvents;
use crate::streams::rooms::RoomLogs;
use crate::turns::Turns;

/// The memory of all request bodies. A body that loses its share frees its memory a moment later, so the
/// process can need up to 256 MiB until then.
const BODY_BUDGET: usize = 160 << 20;
/// How long the last rows of the audit log may take at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Serves on `listeners` until `shutdown` is triggered. The database may be unavailable at the start and at
/// any later time. Clients of a stream stay connected, and get their rows once the database is available
/// again.
///
/// # Errors
/// When TLS to the database cannot be set up as the database URL requires, when one of `listeners` is not
/// usable, or when a background task ends.
pub async fn run(config: Config, listeners: impl Into<Listeners>, shutdown: Shutdown) -> anyhow::Result<()> {
    // The library for tokens must get its cryptography before anything else uses the library.
    let keys = config.identity.keys().context("setting up the keys of JSON Web Tokens")?;
    let sessions = config.identity.sessions();
    let connections = config.database.database_pool_size;
    let service_limits = config.service.limits();
    let store = Store::new(config.database, NAME).context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let revocations = Arc::new(Revocations::default());
    let callers = Callers::new(
        config.ingest_tokens.clone(),
        (keys, sessions),
        store.clone(),
        revocations.clone(),
        config.cors_origins.clone(),
    );
    let callers = Arc::new(callers);
    let readers = Readers::new(config.read_tokens, callers.clone());
    let room_directory = Arc::new(Directory::new(store.clone()));
    let room_logs = RoomLogs::new(room_directory.clone(), revocations.clone(), config.max_subscribers);
    let cast_directory = Arc::new(Directory::new(store.clone()));
    // Each start of the gateway has another name.
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| anyhow::anyhow!("no random bytes"))?;
    let process: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let (audit, audit_rows) = Audit::new(process.clone());
    let audit = Arc::new(audit);
    let (places, keeper) = Places::new(process, store.clone());
    let cast_events = CastEvents::new(
        store.clone(),
        cast_directory.clone(),
        revocations.clone(),
        (places.clone(), audit.clone()),
        (config.max_subscribers, config.cast_stream_limit),
    );
    let streams = Arc::new(Streams::new(
        Arc::new(Database::new(store.clone())),
        config.max_subscribers,
        readers.are_known(),
        revocations.clone(),
        room_logs,
        cast_events,
    ));
    let rights = Arc::new(Rights {
        store: store.clone(),
        revocations: revocations.clone(),
        rooms: room_directory.clone(),
        casts: cast_directory.clone(),
        streams: streams.clone(),
    });
    let agents = Arc::new(Agents::new());
    let runs = Arc::new(Runs::new(store.clone(), appender.clone()));
    // The background tasks run until this function returns and drops `tasks`.
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let (streams, agents) = (streams.clone(), agents.clone());
        let (runs, places, tail) = (runs.clone(), places.clone(), store.tail().recent(RECENT));
        tail.run_async(move |update| {
            agents.update(&update);
            runs.update(&update);
            places.update(&update);
            let (rights, streams) = (rights.clone(), streams.clone());
            async move {
                rights.update(&update).await;
                streams.update(update).await;
            }
        })
    });
    tasks.spawn({
        let streams = streams.clone();
        async move { streams.keep_time().await }
    });
    tasks.spawn({
        let (agents, store, appender) = (agents.clone(), store.clone(), appender.clone());
        async move { agents.watch(store, appender).await }
    });
    tasks.spawn(async move { runs.follow().await });
    tasks.spawn({
        let audit = audit.clone();
        async move { audit.count().await }
    });
    // These two tasks end after all streams have ended, so that nothing is missing in the audit log.
    let mut audit_writer = tokio::spawn(store_rows(appender.clone(), audit_rows));
    let (freed, free) = oneshot::channel::<()>();
    let mut keeper = tokio::spawn({
        let (ends, appender) = (streams.ends().clone(), appender.clone());
        keeper.run(places, (ends, appender), async move { drop(free.await) })
    });
    let turns = Turns::of_reads(connections);
    let canon = Canon::new(store.clone(), readers.are_known());
    let app = Gateway {
        events: EventQueries::new(store.clone(), turns.clone()),
        readers,
        senders: Senders::new(config.ingest_tokens, config.ingest_anonymous, config.trusted_proxy_hops),
        callers,
        origins: config.cors_origins,
        rooms: Rooms::new(store.clone(), appender.clone(), (room_directory, revocations), turns.clone()),
        resources: Resources::new(store.clone(), appender.clone(), turns.clone()),
        casts: Casts::new(store.clone(), appender.clone(), cast_directory, turns),
        audit: audit.clone(),
        canon,
        refusals: Refusals::default(),
        trusted_proxy_hops: config.trusted_proxy_hops,
        store,
        appender,
        streams,
        agents,
        #[cfg(feature = "test-stream")]
        test_stream: config.test_stream,
    };
    let streams_by_default = if config.trusted_proxy_hops == 0 { 8 } else { 100 };
    let limits = Limits {
        max_connections: config.max_subscribers + 500,
        body_budget: BODY_BUDGET,
        max_endless: config.max_streams_per_connection.unwrap_or(streams_by_default),
        ..service_limits
    };
    let outcome = tokio::select! {
        served = serve(Arc::new(app), listeners, limits, shutdown) => served.context("serving requests"),
        task = tasks.join_next() => {
            let which = "the tail, the streams' timer, the watcher of the agents, or the driver of casts";
            Err(anyhow::anyhow!("a background task ended ({which}): {task:?}"))
        }
        ended = &mut audit_writer => Err(anyhow::anyhow!("the audit log ended: {ended:?}")),
        ended = &mut keeper => Err(anyhow::anyhow!("the keeper of places ended: {ended:?}")),
    };
    audit.close();
    // The places are freed only after the ends of all streams are stored. Otherwise, another gateway reports
    // these streams as lost.
    let is_stored = audit_writer.is_finished() || timeout(FLUSH_WITHIN, &mut audit_writer).await.is_ok();
    if is_stored && !keeper.is_finished() {
        drop(freed);
        let _ = timeout(FLUSH_WITHIN, keeper).await;
    } else if !is_stored {
        tracing::warn!("the last rows of the audit log could not be stored in time");
        keeper.abort();
    }
    outcome
}
