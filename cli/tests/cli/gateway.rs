//! A real gateway-feed with a database.

use oasis_postgres::testing::{self, TestDatabase};
use oasis_service::Shutdown;
use tokio::task::JoinHandle;

use crate::process::oasis;

/// A fresh database with the schema.
pub(crate) async fn database() -> TestDatabase {
    testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await
}

/// Runs SQL statements.
pub(crate) async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

/// A gateway that runs until it is stopped.
pub(crate) struct Gateway {
    pub(crate) url: String,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
    _database: TestDatabase,
}

impl Gateway {
    /// Starts a gateway on a free port, with an empty table.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--ingest-anonymous"]).await
    }

    /// Starts a gateway on a free port, with an empty table and these flags.
    pub(crate) async fn start_with(more: &[&str]) -> Self {
        let database = database().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = listener.local_addr().unwrap().to_string();
        let flags = [&["gateway-feed", "--database-url", &database.url], more].concat();
        let config = <gateway_feed::Config as clap::Parser>::try_parse_from(flags).unwrap();
        let shutdown = Shutdown::manual();
        let running = tokio::spawn(gateway_feed::run(config, listener, shutdown.clone()));
        Self { url, shutdown, running, _database: database }
    }

    /// Sends an event with `oasis emit`. `facts` are entries of `meta`.
    pub(crate) fn emit(&self, kind: &str, status: &str, flags: &[&str], facts: &[&str]) {
        let fixed = ["emit", "--url", &self.url, "--kind", kind, "--status", status];
        let metas = facts.iter().flat_map(|fact| ["--meta", *fact]);
        let arguments: Vec<&str> = fixed.into_iter().chain(flags.iter().copied()).chain(metas).collect();
        let done = oasis(&arguments).finish();
        assert_eq!(done.code, 0, "{}", done.stderr);
    }

    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        self.running.await.unwrap().unwrap();
    }
}
