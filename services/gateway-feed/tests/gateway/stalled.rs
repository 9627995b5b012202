//! Tests that no agent becomes lost when pings cannot be stored because Postgres hangs or a lock blocks all
//! writers.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join;
use oasis_postgres::testing;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::agents::{count, ping, until};
use crate::{Gateway, database, postgres};

/// Before a stall, each agent promises that its next ping comes within this number of seconds.
const INTERVAL: u64 = 2;

/// An agent counts as lost after 2.5 intervals (5 s) without a ping. The first stall alone is longer than
/// 5 s. The second stall is shorter, but the agents ping again only after their back-off, more than 5 s after
/// their last pings.
const STALLS: [Duration; 2] = [Duration::from_millis(8_000), Duration::from_millis(3_700)];
const AGENTS: [&str; 3] = ["a", "b", "c"];

/// Makes the agents ping for 4 s. In this time, the gateway begins to probe the table.
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

/// Makes the agents ping again, after the longest back-off that they can have.
async fn come_back(gateway: SocketAddr) {
    sleep(Duration::from_secs(INTERVAL)).await;
    for name in AGENTS {
        ping(gateway, name, "in_progress", json!({ "interval": 60 })).await;
    }
}

/// The suspended processes of a PostgreSQL server. Dropping this value resumes the processes.
struct Stopped(Vec<Pid>);

impl Stopped {
    fn all(postmaster: u32) -> Self {
        let pid = |text: &str| Pid::from_raw(text.parse().unwrap()).unwrap();
        let first = pid(&postmaster.to_string());
        // The postmaster is suspended first, because it could otherwise start more children.
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
            // The process may have ended in the meantime.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_is_lost_when_the_database_server_hangs_for_a_while() {
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
        assert_eq!(count(&sql, "ping.lost").await, 0, "lost agents after a stall of {stall:?}");
    }
    // An agent that sends no further ping still becomes lost.
    ping(address, "d", "in_progress", json!({ "agent": "zoe", "interval": 1 })).await;
    let missed = until(address, &["working", "working", "working", "lost"]);
    timeout(Duration::from_secs(30), missed).await.unwrap();
    assert_eq!(count(&sql, "ping.lost").await, 1);
    gateway.stop().await;
}

/// Reads of the table always work, but appends must wait for a lock: the lock that an index build takes, or
/// the writers' lock.
#[tokio::test(flavor = "multi_thread")]
async fn agents_whose_pings_wait_for_a_lock_are_not_lost() {
    let db = database().await;
    let (sql, holder, waiter) = (postgres(&db.url).await, postgres(&db.url).await, postgres(&db.url).await);
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    until(gateway.address, &[]).await;
    let [index, writers] = ["oasis_events IN SHARE MODE", "oasis_events_lock IN EXCLUSIVE MODE"];
    for (lock, stall) in [(index, STALLS[0]), (index, STALLS[1]), (writers, STALLS[1])] {
        beat(gateway.address).await;
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {lock}")).await.unwrap();
        // While `holder` has the writers' lock, this statement waits in the same way as a writer.
        let waits = waiter.batch_execute("BEGIN; LOCK TABLE oasis_events_lock IN EXCLUSIVE MODE; ROLLBACK");
        let held = async {
            sleep(stall).await;
            holder.batch_execute("ROLLBACK").await
        };
        let (waited, held) = join(waits, held).await;
        waited.and(held).unwrap();
        come_back(gateway.address).await;
        assert_eq!(count(&sql, "ping.lost").await, 0, "lost agents after LOCK TABLE {lock} for {stall:?}");
    }
    gateway.stop().await;
}

/// Agents that have stopped, or that promise no further ping, cause no probes.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_probed_only_while_a_ping_is_expected() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    ping(gateway.address, "a", "success", json!({ "interval": 60 })).await;
    ping(gateway.address, "b", "info", json!({})).await;
    until(gateway.address, &["stopped", "idle"]).await;
    let probes = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND query LIKE 'SELECT max(id)%'";
    let probes = async || sql.query_one(probes, &[]).await.unwrap().get::<_, i64>(0);
    // Probes are sent every 2 s, so a probe would be visible after this time.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(probes().await, 0);
    ping(gateway.address, "c", "info", json!({ "interval": 60 })).await;
    timeout(Duration::from_secs(30), async { while probes().await == 0 {} }).await.unwrap();
    gateway.stop().await;
}
