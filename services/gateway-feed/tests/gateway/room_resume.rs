//! Tests how viewers of rooms resume: through any gateway, and after the crash of a gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Block, Feed, pause};
use crate::database;
use crate::process::Process;
use crate::rooms::{SECRET, SERVICE, gateway, line, open_room, token, write};

const ROOMS: usize = 50;
const LINES: usize = 200;
/// The number of lines in one request.
const BATCH: usize = 20;

async fn process(url: &str, port: u16) -> Process {
    let port = port.to_string();
    let variables = [
        ("DATABASE_URL", url),
        ("HOST", "127.0.0.1"),
        ("PORT", port.as_str()),
        ("JWT_SECRET", SECRET),
        ("INGEST_TOKENS", SERVICE),
    ];
    Process::start_with(&variables).await
}

/// Reads all lines of a room through many connections. Returns the numbers of the lines in the order of their
/// arrival.
async fn view(room: usize, addresses: [SocketAddr; 2], drops: Arc<AtomicUsize>) -> Vec<usize> {
    let bearer = format!("Bearer {}", token("ann", 600));
    let path = format!("/api/v1/rooms/r{room}/logs?tail=1000");
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    for connection in room.. {
        let headers = [("authorization", bearer.as_str()), ("last-event-id", cursor.as_str())];
        let Some(mut feed) = Feed::try_open_path(addresses[connection % 2], &path, &headers).await else {
            pause().await;
            continue;
        };
        assert_eq!(feed.status, 200);
        let end = LINES.min(seen.len() + 17 + connection * 31 % 60);
        while seen.len() < end {
            match feed.block().await {
                Ok(Some(Block::Event { id: Some(id), data })) => {
                    let message = data["message"].as_str().unwrap();
                    let (of, number) = message.split_once(':').unwrap();
                    assert_eq!(of, room.to_string(), "a line of another room");
                    seen.push(number.parse().unwrap());
                    cursor = id.to_string();
                }
                Ok(Some(Block::Cursor(id))) => cursor = id.to_string(),
                Ok(Some(Block::Event { id: None, data })) => assert!(data.get("reason").is_none(), "{data}"),
                Ok(Some(Block::Comment | Block::Retry)) => {}
                // The gateway was killed.
                Ok(None) | Err(_) => break,
            }
        }
        if seen.len() == LINES {
            break;
        }
        drops.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn each_viewer_gets_each_line_once_through_a_hundred_drops_and_two_crashes_of_a_gateway() {
    let db = database().await;
    let steady = gateway(&db.url).await;
    let mut other = process(&db.url, 0).await;
    let addresses = [steady.address, other.address];
    let drops = Arc::new(AtomicUsize::new(0));
    let mut viewers = JoinSet::new();
    for room in 0..ROOMS {
        open_room(&steady, &format!("r{room}"), json!({"owner": "ann", "readers": "owner"})).await;
        let drops = drops.clone();
        viewers.spawn(async move { (room, view(room, addresses, drops).await) });
    }
    for batch in 0..LINES / BATCH {
        for room in 0..ROOMS {
            let numbers = batch * BATCH..(batch + 1) * BATCH;
            let lines: Vec<Value> = numbers.map(|number| line(&format!("{room}:{number}"))).collect();
            assert_eq!(write(&steady, &format!("r{room}"), json!(lines)).await.status, 201);
        }
        if batch % 4 == 2 {
            // Dropping a process kills it with `kill -9`.
            drop(other);
            other = process(&db.url, addresses[1].port()).await;
        }
    }
    while let Some(seen) = viewers.join_next().await {
        let (room, seen) = seen.unwrap();
        assert_eq!(seen, (0..LINES).collect::<Vec<_>>(), "room {room}");
    }
    let drops = drops.load(Ordering::Relaxed);
    assert!(drops >= 100, "{drops}");
    other.stop().await;
    steady.stop().await;
}
