//! Tests of the watcher with a fake Cloud Logging server over real gRPC, and with a real Postgres.

#![allow(clippy::unwrap_used, reason = "test helpers report failures by panicking")]

mod cases;
mod entries;
mod operations;
mod polls;
mod process;
mod quarantine;
mod resources;
mod schemas;
mod server;
mod shuffles;
mod splits;
mod walks;

use deploy_watcher::fake::{FakeLogging, entry};
use deploy_watcher::logs::gcloud::CloudLogging;
use deploy_watcher::poll::Watcher;
use deploy_watcher::poll_report::{PollReport, ReadSummary};
use jiff::SignedDuration;
use oasis_postgres::testing::{self, TestDatabase};
use oasis_store::{DatabaseArgs, Store};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use entries::PROJECT;

/// A log, a database, and a watcher that reads the log into the database.
struct Setup {
    db: TestDatabase,
    logs: FakeLogging,
    watcher: Watcher<CloudLogging>,
    sql: Client,
}

impl Setup {
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

    async fn poll(&self) -> ReadSummary {
        match self.watcher.poll().await.unwrap() {
            PollReport::Read(summary) => summary,
            skipped @ PollReport::Skipped { .. } => panic!("{skipped:?}"),
        }
    }

    /// The events in the order of their ids, each as `status vtid module revision`.
    async fn events(&self) -> Vec<String> {
        let sql =
            "SELECT concat_ws(' ', status, vtid, module, meta->>'revision') FROM oasis_events ORDER BY id";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

/// A new watcher. Like a process that has just started, it has not seen any entries.
fn watcher(url: &str, logs: &FakeLogging, projects: &[&str]) -> Watcher<CloudLogging> {
    watcher_in(DatabaseArgs::new(url.parse().unwrap()), logs, projects)
}

fn watcher_in(database: DatabaseArgs, logs: &FakeLogging, projects: &[&str]) -> Watcher<CloudLogging> {
    let store = Store::new(database, "test").unwrap();
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
