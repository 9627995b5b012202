//! The watcher against a fake of Cloud Logging, over real gRPC, and a real Postgres.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail by panicking")]

mod cases;
mod entries;
mod polls;
mod process;
mod quarantine;
mod server;
mod splits;
mod walks;

use deploy_watcher::fake::{FakeLogging, entry};
use deploy_watcher::logs::gcloud::CloudLogging;
use deploy_watcher::poll::Watcher;
use deploy_watcher::poll_report::{PollReport, Read};
use jiff::SignedDuration;
use oasis_postgres::testing::{self, TestDatabase};
use oasis_store::{DatabaseArgs, Store};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use entries::PROJECT;

/// A log, a table, and whoever reads one into the other.
struct Stand {
    db: TestDatabase,
    logs: FakeLogging,
    watcher: Watcher<CloudLogging>,
    sql: Client,
}

impl Stand {
    async fn new() -> Self {
        let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
        let logs = FakeLogging::start().await.unwrap();
        let (sql, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let watcher = watcher(&db.url, &logs, &[PROJECT]);
        Self { db, logs, watcher, sql }
    }

    fn add(&self, entries: impl IntoIterator<Item = Value>) {
        let entries = entries.into_iter().map(|json| entry(&json).unwrap());
        self.logs.with(|log| log.entries.extend(entries));
    }

    async fn poll(&self) -> Read {
        match self.watcher.poll().await.unwrap() {
            PollReport::Read(read) => read,
            skipped @ PollReport::Skipped { .. } => panic!("{skipped:?}"),
        }
    }

    /// The events, each as `status vtid module revision`, in the order of their ids.
    async fn events(&self) -> Vec<String> {
        let sql =
            "SELECT concat_ws(' ', status, vtid, module, meta->>'revision') FROM oasis_events ORDER BY id";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

/// As it is after a start.
fn watcher(url: &str, logs: &FakeLogging, projects: &[&str]) -> Watcher<CloudLogging> {
    let store = Store::new(DatabaseArgs::new(url.parse().unwrap()), "test").unwrap();
    let appender = store.appender().unwrap();
    let projects = projects.iter().map(ToString::to_string).collect();
    Watcher::new(
        projects,
        SignedDuration::from_hours(1),
        CloudLogging::new(logs.endpoint(), true),
        store,
        appender,
    )
}
