//! A Postgres that hangs for a while, or lets nobody write: nobody can ping, and nobody is lost for that.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join;
use oasis_postgres::testing;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::agents::{count, ping, until};
use crate::{Gateway, database, postgres};

/// What the agents that are to survive promise, in seconds.
const INTERVAL: u64 = 2;

/// Longer than 2.5 intervals, and so that these end while the agents still wait to try again.
const STALLS: [Duration; 2] = [Duration::from_millis(8_000), Duration::from_millis(3_700)];
const AGENTS: [&str; 3] = ["a", "b", "c"];

/// Agents beat, for long enough for the gateway to begin to ask the table.
async fn beat(gateway: SocketAddr) {
    let mut last = Instant::now();
    for _ in 0..4 {
        for name in AGENTS {
            ping(gateway, name, "in_progress", json!({ "interval": INTERVAL })).await;
        }
        last += Duration::from_millis(1_000);
        sleep_until(last).await;
    }
    until(gateway, &["working"; 3]).await;
}

/// They beat again once they have waited for as long as their back-off lets them at the most.
async fn come_back(gateway: SocketAddr) {
    sleep(Duration::from_secs(INTERVAL)).await;
    for name in AGENTS {
        ping(gateway, name, "in_progress", json!({ "interval": 60 })).await;
    }
}

/// The processes of a server, stopped until this is dropped.
struct Stopped(Vec<Pid>);

impl Stopped {
    fn all(postmaster: u32) -> Self {
        let pid = |text: &str| Pid::from_raw(text.parse().unwrap()).unwrap();
        let first = pid(&postmaster.to_string());
        // Before its children are counted, so that it has no more.
        kill_process(first, Signal::STOP).unwrap();
        let mut stopped = Self(vec![first]);
        let children =
            std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
        for child in children.split_whitespace().map(pid) {
            kill_process(child, Signal::STOP).unwrap();
            stopped.0.push(child);
        }
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for pid in self.0.iter().rev() {
            // It may have ended since.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_for_a_while_loses_nobody() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&url.parse().unwrap()).await.unwrap();
    let sql = postgres(&url).await;
    let gateway = Gateway::start(&url, &["--ingest-anonymous"]).await;
    let address = gateway.address;
    until(address, &[]).await;
    for stall in STALLS {
        beat(address).await;
        let stopped = Stopped::all(cluster.pid().unwrap());
        sleep(stall).await;
        drop(stopped);
        come_back(address).await;
        assert_eq!(count(&sql, "ping.lost").await, 0, "after {stall:?}");
    }
    // And who is missing in earnest is still missed.
    ping(address, "d", "in_progress", json!({ "agent": "zoe", "interval": 1 })).await;
    let missed = until(address, &["working", "working", "working", "lost"]);
    timeout(Duration::from_secs(30), missed).await.unwrap();
    assert_eq!(count(&sql, "ping.lost").await, 1);
    gateway.stop().await;
}

/// The table can be read all the time, and nobody can append: an index is built, or a transaction keeps the
/// writers' lock.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_wait_for_a_lock_are_not_lost() {
    let db = database().await;
    let (sql, holder, waiter) = (postgres(&db.url).await, postgres(&db.url).await, postgres(&db.url).await);
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    until(gateway.address, &[]).await;
    let [index, writers] = ["oasis_events IN SHARE MODE", "oasis_events_lock IN EXCLUSIVE MODE"];
    for (lock, stall) in [(index, STALLS[0]), (index, STALLS[1]), (writers, STALLS[1])] {
        beat(gateway.address).await;
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {lock}")).await.unwrap();
        // As a writer does.
        let waits = waiter.batch_execute("BEGIN; LOCK TABLE oasis_events_lock IN EXCLUSIVE MODE; ROLLBACK");
        let held = async {
            sleep(stall).await;
            holder.batch_execute("ROLLBACK").await
        };
        let (waited, held) = join(waits, held).await;
        waited.and(held).unwrap();
        come_back(gateway.address).await;
        assert_eq!(count(&sql, "ping.lost").await, 0, "{lock} for {stall:?}");
    }
    gateway.stop().await;
}

/// An idle system stays idle: those that ended are not asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_asked_only_while_somebody_is_watched() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    ping(gateway.address, "a", "success", json!({ "interval": 60 })).await;
    ping(gateway.address, "b", "info", json!({})).await;
    until(gateway.address, &["stopped", "idle"]).await;
    let asked = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND query LIKE 'SELECT max(id)%'";
    let asked = async || sql.query_one(asked, &[]).await.unwrap().get::<_, i64>(0);
    // Twice as long as from one question to the next.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(asked().await, 0);
    ping(gateway.address, "c", "info", json!({ "interval": 60 })).await;
    timeout(Duration::from_secs(30), async { while asked().await == 0 {} }).await.unwrap();
    gateway.stop().await;
}
