//! Tests rows of rooms that other programs have written directly to the table.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Feed, get, send};
use crate::room_servers::insert_row;
use crate::rooms::{Log, SECRET, SERVICE, call, gateway, open_room, token, write};
use crate::{Gateway, database, insert, postgres};

/// Values of `meta` that no gateway writes.
fn hostile() -> Vec<String> {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    vec![
        "{}".to_owned(),
        json!({"message": 7, "level": [], "agentType": {}}).to_string(),
        json!({"message": null, "level": null, "agentType": null, "metadata": null}).to_string(),
        json!({"message": {"text": "x"}, "metadata": [1]}).to_string(),
        json!({"message": "x\n\nevent: close\ndata: {}\n\nid: 9\r\n\r", "level": "loud\n"}).to_string(),
        json!({"message": "\u{2028}\u{feff}\u{202e}é😀", "agentType": "Ä \"q\" \\", "level": ""}).to_string(),
        json!({"message": "x".repeat(16_000)}).to_string(),
        json!({"Message": "x", "message ": "y", "id": 7, "timestamp": "z", "vtid": "w"}).to_string(),
        format!(r#"{{"message": "m", "metadata": {{"deep": {}}}}}"#, nested(2_000)),
        format!(r#"{{"message": {}}}"#, nested(2_000)),
        format!(r#"{{"message": "m", "metadata": {{"n": {}e300, "m": -1e-5}}}}"#, "9".repeat(400)),
        format!(r#"{{"message": {}}}"#, "9".repeat(4_000)),
    ]
}

/// Checks that a line has texts in the members that clients read.
fn check(line: &str) {
    let line: HashMap<String, &RawValue> = serde_json::from_str(line).unwrap();
    for text in ["timestamp", "agentType", "level", "message"] {
        serde_json::from_str::<String>(line[text].get()).unwrap_or_else(|why| panic!("{text}: {why}"));
    }
    if let Some(metadata) = line.get("metadata") {
        assert!(metadata.get().starts_with('{'));
    }
}

/// Reads lines up to the line `end`.
async fn lines(feed: &mut Feed) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let block = feed.text().await.unwrap().expect("the stream ended");
        if let Some(line) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
            if block.contains("event: log\n") {
                assert_eq!(block.trim_end().lines().count(), 3, "{block}");
                lines.push(line.to_owned());
            }
            if line.contains(r#""message":"end""#) {
                return lines;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_with_a_hostile_meta_does_not_break_streams_or_pages() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let ann = token("ann", 600);
    let bearer = format!("Bearer {ann}");
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/v1/rooms/r/logs";
    let mut live = Feed::open_path(gateway.address, path, &headers).await;
    while !live.text().await.unwrap().unwrap().contains("event: connected") {}
    let sql = postgres(&db.url).await;
    for (nth, meta) in hostile().into_iter().enumerate() {
        insert_row(&sql, "room:r", "log", &meta).await;
        // Rows of other kinds, which the stream does not show.
        let kind = ["event", "log.line", "room.unknown", "access.revoked", "room.updated"][nth % 5];
        insert_row(&sql, "room:r", kind, &meta).await;
    }
    insert_row(&sql, "room:r", "log", &line("end")).await;
    let expected = hostile().len() + 1;
    let mut replayed = Feed::open_path(gateway.address, &format!("{path}?tail=1000"), &headers).await;
    let mut resumed = Feed::open_path(gateway.address, &format!("{path}?last_event_id=1"), &headers).await;
    for feed in [&mut live, &mut replayed, &mut resumed] {
        let lines = lines(feed).await;
        lines.iter().for_each(|line| check(line));
        assert_eq!(lines.len(), expected);
    }
    let headers = [headers[0], ("accept", "application/json")];
    for (query, number) in [("", expected), ("?level=info", 0), ("?agentType=code", 1), ("?q=END", 1)] {
        let page = send(gateway.address, "GET", &format!("{path}{query}"), &headers, "").await;
        assert_eq!(page.status, 200, "{query}: {:?}", page.body);
        let page: HashMap<String, &RawValue> = serde_json::from_slice(&page.body).unwrap();
        let lines: Vec<&RawValue> = serde_json::from_str(page["lines"].get()).unwrap();
        lines.iter().for_each(|line| check(line.get()));
        assert_eq!(lines.len(), number, "{query}");
    }
    gateway.stop().await;
}

fn line(message: &str) -> String {
    json!({"message": message, "agentType": "code"}).to_string()
}

/// The gateway reads rooms from the table, no matter which program wrote their rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_was_opened_by_sql_works() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let sql = postgres(&db.url).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    let status = async |token: &str| {
        call(gateway.address, "GET", "/api/v1/rooms/r/logs", token, Value::Null).await.status.as_u16()
    };
    // A room does not exist before it is opened, even if it has lines and changes.
    insert_row(&sql, "room:r", "log", &line("early")).await;
    insert_row(&sql, "room:r", "room.updated", r#"{"owner": "bob"}"#).await;
    assert_eq!(status(&ann).await, 404);
    insert_row(&sql, "room:r", "room.opened", r#"{"owner": "ann", "readers": "owner", "title": 7}"#).await;
    assert_eq!([status(&ann).await, status(&bob).await], [200, 403]);
    let mut log = Log::open(&gateway, "r", "", &ann).await.connected().await;
    let answer = call(
        gateway.address,
        "POST",
        "/api/v1/rooms/r/logs",
        &ann,
        json!({"agentType": "code", "message": "mine"}),
    );
    assert_eq!(answer.await.status, 201);
    assert_eq!(log.messages(2).await, ["early", "mine"]);
    // A second opening and unknown readers change nothing.
    insert_row(&sql, "room:r", "room.opened", r#"{"owner": "bob"}"#).await;
    insert_row(&sql, "room:r", "room.updated", r#"{"readers": "everyone", "owner": ["bob"]}"#).await;
    insert_row(&sql, "room:r", "log", &line("later")).await;
    assert_eq!(log.messages(1).await, ["later"]);
    assert_eq!([status(&ann).await, status(&bob).await], [200, 403]);
    insert_row(&sql, "room:r", "room.closed", "{}").await;
    assert_eq!(log.closed().await, "closed");
    gateway.stop().await;
}

/// The public routes show rows of the public channel only, whatever the rows of rooms contain.
#[tokio::test(flavor = "multi_thread")]
async fn no_public_route_shows_a_row_of_a_room() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--jwt-secret", SECRET, "--ingest-tokens", SERVICE]).await;
    let sql = postgres(&db.url).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    feed.connected().await;
    open_room(&gateway, "r", json!({"title": "SECRET"})).await;
    let line = json!({"agentType": "secret", "message": "SECRET", "vtid": "DEV-SECRET-0001",
                      "metadata": {"agent": "SECRET"}});
    assert_eq!(write(&gateway, "r", line).await.status, 201);
    for kind in ["log", "ping", "secret", "room.updated"] {
        let meta = r#"{"agent": "SECRET", "instance": "SECRET", "message": "SECRET"}"#;
        insert_row(&sql, "room:r", kind, meta).await;
    }
    let pretend = "UPDATE oasis_events SET source = 'agent.ping' WHERE kind = 'ping'";
    let refused = sql.batch_execute(pretend).await;
    assert!(refused.is_err(), "rows never change");
    let ping = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, \
                  channel, meta) VALUES (now(), 'UNSET', 'UNSET', 'SECRET', 'agent.ping', 'ping', 'info', \
                  'UNSET-SECRET-PING', 'vt/UNSET-ping', 'room:r', \
                  '{\"agent\": \"SECRET\", \"interval\": 60}')";
    sql.batch_execute(ping).await.unwrap();
    let mut log = Log::open(&gateway, "r", "", &token("ann", 600)).await.connected().await;
    // From here on, the gateway has read all these rows.
    assert_eq!(log.messages(2).await[0], "SECRET");
    insert(&sql, "DEV-TEST-0001", "info", 1).await;
    loop {
        let block = feed.text().await.unwrap().unwrap();
        assert!(!block.to_uppercase().contains("SECRET"), "{block}");
        if block.contains("DEV-TEST-0001") {
            break;
        }
    }
    for path in [
        "/api/v1/oasis/events?limit=100",
        "/api/v1/oasis/events?vtid=DEV-SECRET-0001",
        "/api/v1/oasis/events?kind=log",
        "/api/v1/oasis/events?module=SECRET",
        "/api/v1/oasis/agents",
        "/api/v1/devhub/health",
        "/ready",
        "/metrics",
        "/vtid/DEV-SECRET-0001",
    ] {
        let answer = get(gateway.address, path).await;
        let body = String::from_utf8_lossy(&answer.body).replace("DEV-SECRET-0001", "").to_uppercase();
        assert!(!body.contains("SECRET"), "{path}: {body}");
    }
    for path in ["/api/v1/oasis/events?channel=room:r", "/api/v1/devhub/feed?channel=room:r"] {
        assert_eq!(get(gateway.address, path).await.status, 400, "{path}");
    }
    gateway.stop().await;
}
