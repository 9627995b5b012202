//! Tests of the receiver's answers while another session locks the table, and after the lock is released.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_postgres::{Client as Session, NoTls};

use crate::github::{ANSWERED_WITHIN, Client, Push, assert_stored, stored};
use crate::process::{EXITS_WITHIN, POLL, Receiver, database, free_port};

const CONNECTIONS: usize = 100;
const EACH: usize = 5;
/// The size of each delivery in bytes. GitHub's payload for a workflow run has about this size.
const SIZE: usize = 17 << 10;
/// The limit for the growth of the process's memory during the stall, in KiB.
const GROWTH: u64 = 50 << 10;

/// A query that returns whether a writer waits for the lock.
const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_locks \
                     WHERE relation = 'oasis_events_lock'::regclass AND NOT granted)";

async fn session(url: &str) -> Session {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until a query returns true.
async fn until(session: &Session, sql: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !session.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "the query never returned true: {sql}");
        tokio::time::sleep(POLL).await;
    }
}

/// Sends deliveries concurrently over one HTTP/2 connection. Returns the status and the body of each answer,
/// and the time that each answer took.
async fn at_once(receiver: &Receiver, pushes: &[Push]) -> Vec<(u16, Value, Duration)> {
    let stream = TcpStream::connect(receiver.address).await.unwrap();
    let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    join_all(pushes.iter().map(|push| {
        let mut sender = sender.clone();
        async move {
            let sent = Instant::now();
            let mut request = push.request();
            *request.uri_mut() = "http://localhost/webhooks/github".parse().unwrap();
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (head.status.as_u16(), serde_json::from_slice(&body).unwrap(), sent.elapsed())
        }
    }))
    .await
}

/// A value of `/proc/PID/status` in KiB. `None` on systems without this file.
fn memory(receiver: &Receiver, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", receiver.pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line?.trim().trim_end_matches(" kB").parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_a_stall_deliveries_are_answered_503_in_time_and_ready_names_the_blocking_session() {
    let database = database().await;
    let receiver = Receiver::start(&database.url, free_port()).await;
    let mut client = Client::new(receiver.address);
    let first = Push::new(0, 0);
    assert_eq!(client.deliver(&first).await.unwrap().status, 200);
    let before = memory(&receiver, "VmRSS");

    // The session is active all the time, so that no idle timeout ends it.
    let holder = session(&database.url).await;
    let holder_pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let stall = tokio::spawn(async move {
        holder
            .batch_execute(
                "BEGIN; INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
                 VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', \
                 'UNSET-CORE-EVENT', 'vt/UNSET-event'); SELECT pg_sleep(60)",
            )
            .await
    });
    let observer = session(&database.url).await;
    let holds =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'oasis_events_lock'::regclass AND granted)";
    until(&observer, holds).await;

    let pushes: Vec<Push> = (1..=CONNECTIONS * EACH).map(|number| Push::new(number, SIZE)).collect();
    let all = join_all(pushes.chunks(EACH).map(|pushes| at_once(&receiver, pushes)));
    // While the deliveries wait, the probe names the session that blocks them.
    let probe = async {
        until(&observer, WAITS).await;
        let deadline = Instant::now() + ANSWERED_WITHIN;
        loop {
            let ready = client.get("/ready").await.unwrap();
            let named = format!("session {holder_pid} ");
            if ready.status == 503 && ready.body["reasons"].to_string().contains(&named) {
                return;
            }
            assert!(Instant::now() < deadline, "{}", ready.body);
            tokio::time::sleep(POLL).await;
        }
    };
    let (answers, ()) = tokio::join!(all, probe);
    for (status, body, took) in answers.concat() {
        assert_eq!(status, 503, "{body}");
        let code = body["error"]["code"].as_str();
        assert!(matches!(code, Some("database_busy" | "database_unavailable")), "{body}");
        assert!(took < ANSWERED_WITHIN, "{took:?}");
    }
    if let (Some(before), Some(peak)) = (before, memory(&receiver, "VmHWM")) {
        assert!(peak < before + GROWTH, "the memory grew from {before} to {peak} KiB");
    }
    assert!(receiver.logged(&format!("session {holder_pid} ")), "the log should name the session too");

    // End the session, as the probe advises.
    observer.execute("SELECT pg_terminate_backend($1)", &[&holder_pid]).await.unwrap();
    stall.await.unwrap().unwrap_err();
    let last = Push::new(CONNECTIONS * EACH + 1, 0);
    assert_eq!(client.deliver(&last).await.unwrap().status, 200);
    assert_eq!(client.get("/ready").await.unwrap().status, 200);
    // The receiver stores deliveries in order, so no earlier delivery can be stored after the last one.
    let mut taken = vec![first.stored(), last.stored()];
    taken.sort();
    assert_stored(&database.url, &taken).await;

    let again = join_all(pushes.chunks(EACH).map(|pushes| at_once(&receiver, pushes))).await.concat();
    for (status, body, _) in again {
        assert_eq!(
            (status, &body["ok"], &body["duplicate"]),
            (200, &Value::Bool(true), &Value::Null),
            "{body}"
        );
    }
    taken.extend(pushes.iter().map(Push::stored));
    taken.sort();
    assert_stored(&database.url, &taken).await;
}

#[tokio::test]
async fn deliveries_in_flight_at_a_signal_are_stored_and_answered() {
    for signal in [Signal::TERM, Signal::INT] {
        let database = database().await;
        let mut receiver = Receiver::start(&database.url, free_port()).await;
        let address = receiver.address;
        let holder = session(&database.url).await;
        holder.batch_execute("BEGIN; LOCK TABLE oasis_events_lock IN EXCLUSIVE MODE").await.unwrap();

        // The first delivery waits in the database, so it is certainly in flight. The other deliveries are
        // probably in flight as well.
        let first = tokio::spawn(async move { Client::new(address).deliver(&Push::new(0, 0)).await });
        let observer = session(&database.url).await;
        until(&observer, WAITS).await;
        let others: Vec<_> = (1..20)
            .map(|number| {
                let push = Push::new(number, 0);
                tokio::spawn(
                    async move { Client::new(address).deliver(&push).await.map(|answer| (push, answer)) },
                )
            })
            .collect();
        until_connected(address, 20).await;
        receiver.signal(signal);
        // Wait until the receiver accepts no new connections.
        let deadline = Instant::now() + EXITS_WITHIN;
        while TcpStream::connect(address).await.is_ok() {
            assert!(Instant::now() < deadline, "the receiver still listens after {signal:?}");
            tokio::time::sleep(POLL).await;
        }
        holder.batch_execute("ROLLBACK").await.unwrap();

        assert_eq!(first.await.unwrap().expect("the receiver should answer").status, 200, "{signal:?}");
        let mut taken = vec![Push::new(0, 0).stored()];
        for other in others {
            if let Some((push, answer)) = other.await.unwrap() {
                assert_eq!(answer.status, 200, "{signal:?}: {}", answer.body);
                taken.push(push.stored());
            }
        }
        assert_eq!(receiver.ended(EXITS_WITHIN).await.code(), Some(0), "{signal:?}");
        taken.sort();
        let stored = stored(&database.url).await;
        assert!(taken.iter().all(|push| stored.contains(push)), "{signal:?}: {stored:?}");
        assert!(receiver.logged("\"stopped\""), "{signal:?}");
    }
}

/// Waits until the receiver has `wanted` open connections. The connection of this function does not count.
async fn until_connected(address: std::net::SocketAddr, wanted: u64) {
    let mut client = Client::new(address);
    let deadline = Instant::now() + EXITS_WITHIN;
    loop {
        let metrics = client.get("/metrics").await.unwrap().body;
        let open = metrics.as_str().unwrap().lines().find_map(|line| {
            line.strip_prefix("http_connections_open{service=\"webhook-ingest\"} ")?.parse().ok()
        });
        if open > Some(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "only {open:?} connections are open");
        tokio::time::sleep(POLL).await;
    }
}
