//! Tests how clients resume. A client that is disconnected many times gets every event once and in order,
//! even if a gateway or Postgres restarts in the meantime.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oasis_postgres::testing;
use tokio::task::JoinHandle;

use crate::client::{Block, Feed, pause};
use crate::{Gateway, database, insert, postgres};

/// Writes at least `count` events in small transactions. Reconnects and continues after a crash of the
/// server. Returns the ids of the events that the server confirmed.
fn write(url: &str, count: usize, stop: Arc<AtomicBool>) -> JoinHandle<Vec<i64>> {
    let url = url.to_owned();
    tokio::spawn(async move {
        let mut ids = Vec::new();
        while ids.len() < count && !stop.load(Ordering::Relaxed) {
            let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await else {
                pause().await;
                continue;
            };
            tokio::spawn(connection);
            let sql = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
                       SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', \
                              'UNSET-CORE-EVENT', 'vt/UNSET-event' \
                       FROM generate_series(1, 1 + $1 % 20) RETURNING id";
            while ids.len() < count {
                let size = i32::try_from(ids.len() % 97).unwrap();
                let Ok(rows) = client.query(sql, &[&size]).await else { break };
                ids.extend(rows.iter().map(|row| row.get::<_, i64>(0)));
            }
        }
        ids
    })
}

/// Reads up to `events` events after `cursor`, and then drops the connection. Returns early if the
/// connection fails.
async fn session(address: SocketAddr, cursor: &mut i64, seen: &mut Vec<i64>, events: usize) {
    if tokio::net::TcpStream::connect(address).await.is_err() {
        pause().await;
        return;
    }
    let mut feed = Feed::open(address, "", &[("last-event-id", &cursor.to_string())]).await;
    let mut read = 0;
    while read < events {
        match feed.block().await {
            Ok(Some(Block::Event { id: Some(id), .. })) => {
                seen.push(id);
                *cursor = id;
                read += 1;
            }
            Ok(Some(Block::Cursor(id))) => *cursor = id,
            Ok(Some(Block::Event { data, .. })) => assert_ne!(data["type"], "gap", "{data}"),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

fn check(seen: &[i64], written: &[i64]) {
    let out_of_order: Vec<_> = seen.windows(2).filter(|pair| pair[0] >= pair[1]).collect();
    assert!(out_of_order.is_empty(), "ids that are out of order or repeated: {out_of_order:?}");
    let missing: Vec<_> = written.iter().filter(|id| seen.binary_search(id).is_err()).collect();
    assert!(missing.is_empty(), "ids that the client did not get: {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_disconnected_a_hundred_times_misses_no_event() {
    const EVENTS: usize = 10_000;
    let db = database().await;
    insert(&postgres(&db.url).await, "DEV-TEST-0001", "info", 1).await;
    let gateways = [Gateway::start(&db.url, &[]).await, Gateway::start(&db.url, &[]).await];
    let writer = write(&db.url, EVENTS, Arc::default());
    let (mut cursor, mut seen, mut drops) = (1, Vec::new(), 0);
    while seen.len() < EVENTS {
        let left = EVENTS - seen.len();
        session(gateways[drops % 2].address, &mut cursor, &mut seen, left.min(50 + drops * 7 % 90)).await;
        drops += 1;
    }
    assert!(drops >= 100, "{drops}");
    let written = writer.await.unwrap();
    while seen.len() < written.len() {
        session(gateways[0].address, &mut cursor, &mut seen, 1).await;
    }
    check(&seen, &written);
    assert_eq!(seen.len(), written.len());
    for gateway in gateways {
        gateway.stop().await;
    }
}

/// One gateway is restarted three times. Postgres is also killed and restarted three times.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_misses_no_event_while_a_gateway_and_postgres_restart() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&url.parse().unwrap()).await.unwrap();
    insert(&postgres(&url).await, "DEV-TEST-0001", "info", 1).await;
    let steady = Gateway::start(&url, &[]).await;
    let mut other = Gateway::start(&url, &[]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write(&url, 5_000, stop.clone());
    let (mut cursor, mut seen) = (1, Vec::new());
    for round in 0..6 {
        let (from, to) = (seen.len(), seen.len() + 500);
        while seen.len() < to {
            let address = if seen.len() % 2 == 0 { steady.address } else { other.address };
            let left = to - seen.len();
            session(address, &mut cursor, &mut seen, left.min(45)).await;
        }
        assert!(seen.len() > from);
        if round % 2 == 0 {
            let address = other.address;
            other.stop().await;
            other = Gateway::start_at(&url, &[], address).await;
        } else {
            cluster.kill().unwrap();
            cluster.restart().unwrap();
        }
    }
    let written = writer.await.unwrap();
    let last = *written.last().unwrap();
    while *seen.last().unwrap() < last {
        session(steady.address, &mut cursor, &mut seen, 1).await;
    }
    check(&seen, &written);
    other.stop().await;
    steady.stop().await;
}
