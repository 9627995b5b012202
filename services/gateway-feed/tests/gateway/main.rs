//! Tests the gateway through its HTTP API, with real sockets and a real PostgreSQL server. Some tests start,
//! stop or kill gateways.

#![allow(clippy::unwrap_used, reason = "test helpers report failures by panicking")]

mod agents;
mod canon;
mod cast_audit;
mod cast_isolation;
mod cast_limits;
mod cast_requests;
mod cast_runs;
mod casts;
mod client;
mod console;
mod credentials;
mod emails;
mod fairness;
mod feed;
mod identity;
mod ingest;
mod numbers;
mod process;
mod query;
mod random;
mod repeated_keys;
mod resource_claims;
mod resource_errors;
mod resource_isolation;
mod resources;
mod resume;
mod room_bodies;
mod room_borders;
mod room_errors;
mod room_isolation;
mod room_model;
mod room_outages;
mod room_resume;
mod room_rows;
mod room_servers;
mod rooms;
mod schemas;
mod senders;
mod sizes;
mod stalled;
mod standby;
mod writers;

use std::io::ErrorKind;
use std::net::SocketAddr;

use clap::Parser;
use gateway_feed::Config;
use oasis_postgres::testing::{self, TestDatabase};
use oasis_service::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

async fn database() -> TestDatabase {
    testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await
}

/// A gateway that runs in the process of the tests.
struct Gateway {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

/// Listens at an address. After a restart at the same address, a connection of another test can have its port
/// for a while.
async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => client::pause().await,
            bound => return bound.unwrap(),
        }
    }
}

impl Gateway {
    async fn start(database_url: &str, flags: &[&str]) -> Self {
        Self::start_at(database_url, flags, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn start_at(database_url: &str, flags: &[&str], address: SocketAddr) -> Self {
        let listener = bind(address).await;
        let address = listener.local_addr().unwrap();
        let config =
            ["gateway-feed", "--database-url", database_url].into_iter().chain(flags.iter().copied());
        let config = Config::try_parse_from(config).unwrap();
        let shutdown = Shutdown::manual();
        let task = tokio::spawn(gateway_feed::run(config, listener, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap().unwrap();
    }
}

/// Connects to the database directly, without a gateway.
async fn postgres(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Inserts `count` events with this VTID and status, and returns the ids of the events.
async fn insert(client: &tokio_postgres::Client, vtid: &str, status: &str, count: i64) -> Vec<i64> {
    let layer = vtid.split('-').nth(1).unwrap_or("UNSET");
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
         SELECT now(), '{vtid}', '{layer}', 'CORE', 'oasis.events', 'event', '{status}', \
                '{layer}-CORE-EVENT', 'vt/{vtid}-event' FROM generate_series(1, {count}) RETURNING id"
    );
    client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
