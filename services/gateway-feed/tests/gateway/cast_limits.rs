//! Tests the limits of the streams of casts over several gateways, and the audit log.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::StatusCode;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::casts::{CASTS, Reader, change, open, read};
use crate::client::{Feed, send};
use crate::credentials::{api_key, store};
use crate::process::{Process, until, until_within};
use crate::rooms::{SECRET, SERVICE, admin_token, call, gateway, refused, token};
use crate::{Gateway, database, postgres};

/// The streams of a dead gateway are reported within this time.
const LOST_WITHIN: Duration = Duration::from_secs(60);
const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Opens a stream. Returns the status if the request is refused.
pub(crate) async fn follow(gateway: &Gateway, path: &str, token: &str) -> Result<Feed, StatusCode> {
    let bearer = format!("Bearer {token}");
    let path = format!("{CASTS}{path}");
    let feed = Feed::try_open_path(gateway.address, &path, &[("authorization", &bearer)]).await.unwrap();
    if feed.status == StatusCode::OK { Ok(feed) } else { Err(feed.status) }
}

/// Waits until the gateways can decide who may read.
pub(crate) async fn ready(gateways: &[Gateway]) {
    for gateway in gateways {
        assert_eq!(read(gateway, "", &token("nobody", 600)).await.status, StatusCode::OK);
    }
}

async fn audit(url: &str) -> Vec<(String, Value)> {
    let sql =
        "SELECT action, metadata::text FROM oasis_audit_logs WHERE action LIKE 'cast.sse_%' ORDER BY id";
    let rows = postgres(url).await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_at_most_ten_streams_over_all_gateways() {
    let db = database().await;
    let gateways = [gateway(&db.url).await, gateway(&db.url).await, gateway(&db.url).await];
    ready(&gateways).await;
    let anns = token("ann", 600);
    let tries = (0..200).map(|nth| follow(&gateways[nth % 3], "/events", &anns));
    let answers = join_all(tries).await;
    let mut open: Vec<_> = Vec::new();
    for answer in answers {
        match answer {
            Ok(feed) => open.push(feed),
            Err(status) => assert_eq!(status, TOO_MANY),
        }
    }
    assert_eq!(open.len(), 10);
    let bobs = follow(&gateways[0], "/events", &token("bob", 600)).await;
    assert!(bobs.is_ok(), "another user has places");
    let cids = token("cid", 600);
    let ten = join_all((0..10).map(|_| follow(&gateways[0], "/events", &cids))).await;
    assert_eq!(refused(&read(&gateways[1], "/events", &cids).await).1, "TOO_MANY_CONNECTIONS");
    drop(ten);
    drop(open);
    // The places of streams that have ended are free at once.
    let client = postgres(&db.url).await;
    until(&client, "SELECT count(*) = 1 FROM oasis_places").await;
    for gateway in gateways {
        gateway.stop().await;
    }
    assert_eq!(client.query_one("SELECT count(*) FROM oasis_places", &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// The limit of a minute begins again with each minute of the clock.
#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_minute_are_limited_by_the_kind_of_the_credential() {
    let db = database().await;
    let gateways = [gateway(&db.url).await, gateway(&db.url).await];
    let key = api_key(&store(&db.url), "k", "ann", None).await;
    ready(&gateways).await;
    let (anns, client) = (token("ann", 600), postgres(&db.url).await);
    open(&gateways[0], json!({"id": "c", "owner": "ann"})).await;
    for (credential, limit) in [(&anns, 100_usize), (&key, 60)] {
        loop {
            let minute = "SELECT extract(minute FROM clock_timestamp())::int4";
            let before: i32 = client.query_one(minute, &[]).await.unwrap().get(0);
            let mut accepted = 0;
            // Refused requests count, too.
            for some in (0..limit + 20).collect::<Vec<_>>().chunks(20) {
                let path = |nth: usize| if nth.is_multiple_of(2) { "/none/events" } else { "/events" };
                let tries = some.iter().map(|nth| follow(&gateways[nth % 2], path(*nth), credential));
                let answers = join_all(tries).await;
                accepted += answers.iter().filter(|feed| feed.as_ref().err() != Some(&TOO_MANY)).count();
                drop(answers);
                until(&client, "SELECT count(*) = 0 FROM oasis_places").await;
            }
            let after: i32 = client.query_one(minute, &[]).await.unwrap().get(0);
            if before == after {
                assert_eq!(accepted, limit);
                break;
            }
        }
        let answer = read(&gateways[0], "/c/events", credential).await;
        if answer.status == 429 {
            assert_eq!(refused(&answer).1, "RATE_LIMITED");
            assert_eq!(answer.headers["x-ratelimit-limit"], limit.to_string());
            assert_eq!(answer.headers["x-ratelimit-remaining"], "0");
            let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=66).contains(&wait), "{wait}");
        }
    }
    for gateway in gateways {
        gateway.stop().await;
    }
}

/// A stream that its connection may not have is refused before it is opened. It counts towards no limit of
/// the user, and the audit log has no row for it.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_a_connection_may_not_have_are_not_opened() {
    let db = database().await;
    let gateway =
        Gateway::start(&db.url, &["--jwt-secret", SECRET, "--max-streams-per-connection", "1"]).await;
    ready(std::slice::from_ref(&gateway)).await;
    let anns = token("ann", 600);
    let socket = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let mut first = None;
    for nth in 0..6 {
        let request = hyper::Request::get(format!("http://{}{CASTS}/events", gateway.address))
            .header("authorization", format!("Bearer {anns}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), if nth == 0 { 200 } else { 503 });
        first = first.or(Some(answer));
    }
    let other = follow(&gateway, "/events", &anns).await.unwrap();
    let left: u32 = other.headers["x-ratelimit-remaining"].to_str().unwrap().parse().unwrap();
    assert!(left >= 98, "{left}");
    drop((first, sender, other));
    gateway.stop().await;
    let actions: Vec<String> = audit(&db.url).await.into_iter().map(|(action, _)| action).collect();
    let of = |what: &str| actions.iter().filter(|action| action.ends_with(what)).count();
    assert_eq!((of("_opened"), of("_closed"), actions.len()), (2, 2, 4), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_valid_credential_is_refused_sooner() {
    let db = database().await;
    let gateway = Gateway::start(
        &db.url,
        &["--jwt-secret", SECRET, "--ingest-tokens", SERVICE, "--trusted-proxy-hops", "1"],
    )
    .await;
    ready(std::slice::from_ref(&gateway)).await;
    let from = async |address: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", address)];
        send(gateway.address, "GET", &format!("{CASTS}/none/events"), &headers, "").await
    };
    for _ in 0..20 {
        assert_eq!(refused(&from("203.0.113.1", "bad").await), (401, "UNAUTHORIZED".to_owned()));
    }
    let answer = from("6.6.6.6, 203.0.113.1", "bad").await;
    assert_eq!(refused(&answer), (429, "RATE_LIMITED".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(from("203.0.113.2", "bad").await.status, 401);
    assert_eq!(from("203.0.113.1", &token("ann", 600)).await.status, 404, "a valid caller is not limited");
    gateway.stop().await;
    let rows = audit(&db.url).await;
    assert!(rows.iter().all(|(action, _)| action == "cast.sse_connection_failed"));
    assert_eq!(rows.len(), 23);
    assert_eq!(
        rows[0].1,
        json!({"ip": "203.0.113.1", "path": "/api/casts/none/events", "status": 401, "code": "UNAUTHORIZED",
            "userAgent": ""})
    );
    assert_eq!((&rows[22].1["userId"], &rows[22].1["status"]), (&json!("ann"), &json!(404)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stream_is_in_the_audit_log_once_with_its_end() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "c", "owner": "ann"})).await;
    let mut ended = Reader::open(&gateway, "c", &ann, None).await;
    let left = Reader::open(&gateway, "c", &ann, None).await;
    let mut stopped = Reader::of_user(&gateway, "", &ann, None).await;
    ended.next("status").await;
    stopped.next("status").await;
    drop(left);
    let client = postgres(&db.url).await;
    until(&client, "SELECT count(*) = 4 FROM oasis_audit_logs WHERE action LIKE 'cast.sse_%'").await;
    change(&gateway, "c", json!({"status": "failed"})).await;
    for name in ["status", "error", "close"] {
        ended.next(name).await;
    }
    assert_eq!(ended.event().await, None);
    // The gateway is stopped while one stream is open.
    gateway.stop().await;
    let rows = audit(&db.url).await;
    let closed: Vec<&Value> = rows
        .iter()
        .filter(|(action, _)| action == "cast.sse_connection_closed")
        .map(|(_, meta)| meta)
        .collect();
    let of = |reason: &str| {
        let found: Vec<_> = closed.iter().filter(|meta| meta["reason"] == reason).collect();
        assert_eq!(found.len(), 1, "{reason}: {closed:?}");
        (found[0]["castId"].clone(), found[0]["messages"].clone())
    };
    assert_eq!(of("terminal_state"), (json!("c"), json!(4)));
    assert_eq!(of("client_disconnect").0, "c");
    assert_eq!(of("shutdown").0, Value::Null);
    assert_eq!(rows.len(), 6);
    for meta in closed {
        assert!(meta["duration"].is_u64() && meta["userId"] == "ann" && meta["ip"] == "127.0.0.1", "{meta}");
    }
    // The queries of users of the log.
    let all = "SELECT * FROM oasis_audit_logs WHERE action LIKE 'cast.sse_%' ORDER BY created_at DESC";
    assert_eq!(client.query(all, &[]).await.unwrap().len(), 6);
    let durations = "SELECT user_id, AVG((metadata->>'duration')::int) AS avg_duration, \
                     COUNT(*) AS connection_count FROM oasis_audit_logs \
                     WHERE action = 'cast.sse_connection_closed' GROUP BY user_id";
    let row = client.query_one(durations, &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(2)), ("ann", 3));
    let changes = "SELECT count(*) FROM oasis_audit_logs WHERE action = 'cast.status_changed'";
    assert_eq!(client.query_one(changes, &[]).await.unwrap().get::<_, i64>(0), 2);
}

/// A gateway that is killed leaves its places and its streams behind.
#[tokio::test(flavor = "multi_thread")]
async fn the_places_of_a_killed_gateway_become_free_and_its_streams_are_lost() {
    let db = database().await;
    let second = gateway(&db.url).await;
    let first =
        Process::start_with(&[("DATABASE_URL", &db.url), ("JWT_SECRET", SECRET), ("INGEST_TOKENS", SERVICE)])
            .await;
    let ann = token("ann", 600);
    let bearer = format!("Bearer {ann}");
    let mut feeds = Vec::new();
    for _ in 0..10 {
        let headers = [("authorization", bearer.as_str())];
        feeds.push(Feed::open_path(first.address, &format!("{CASTS}/events"), &headers).await);
    }
    let client = postgres(&db.url).await;
    until(&client, "SELECT count(*) = 10 FROM oasis_audit_logs WHERE action LIKE '%opened'").await;
    assert_eq!(follow(&second, "/events", &ann).await.err(), Some(TOO_MANY));
    drop(first);
    // The clock of the places is moved instead of waiting for half a minute. The second gateway reports the
    // streams once it has renewed its own places for a while.
    client
        .batch_execute("UPDATE oasis_place_holders SET renewed_at = renewed_at - interval '31 seconds'")
        .await
        .unwrap();
    let feed = follow(&second, "/events", &ann).await;
    assert!(feed.is_ok(), "the places are free");
    let lost = "SELECT count(*) = 10 FROM oasis_audit_logs WHERE metadata ->> 'reason' = 'lost'";
    until_within(&client, lost, LOST_WITHIN).await;
    until(&client, "SELECT count(*) = 1 FROM oasis_places").await;
    second.stop().await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (action, _) in audit(&db.url).await {
        *counts.entry(action).or_default() += 1;
    }
    assert_eq!((counts["cast.sse_connection_opened"], counts["cast.sse_connection_closed"]), (11, 11));
}

/// The table loses the places, as after a crash of the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_writes_its_places_again_and_ends_the_streams_that_are_too_many() {
    let db = database().await;
    let gateways = [gateway(&db.url).await, gateway(&db.url).await];
    ready(&gateways).await;
    let ann = token("ann", 600);
    let client = postgres(&db.url).await;
    let mut firsts = Vec::new();
    for _ in 0..8 {
        firsts.push(follow(&gateways[0], "/events", &ann).await.ok().unwrap());
    }
    client.batch_execute("TRUNCATE oasis_places, oasis_place_holders").await.unwrap();
    let mut seconds = Vec::new();
    for _ in 0..6 {
        seconds.push(follow(&gateways[1], "/events", &ann).await.ok().unwrap());
    }
    // The next change shows the first gateway that its places are gone.
    let _ninth = follow(&gateways[0], "/events", &ann).await;
    until(&client, "SELECT count(*) = 10 FROM oasis_places").await;
    let mut ended = 0;
    for feed in &mut firsts {
        let reason = async {
            while let Some(block) = feed.text().await.unwrap() {
                if block.contains("too_many_connections") {
                    return true;
                }
            }
            false
        };
        ended += usize::from(tokio::time::timeout(Duration::from_millis(300), reason).await == Ok(true));
    }
    assert!((4..=5).contains(&ended), "{ended}");
    for gateway in gateways {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_reads_the_audit_log() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let (ann, admin) = (token("ann", 600), admin_token("root", 600));
    open(&gateway, json!({"id": "c", "owner": "ann"})).await;
    for _ in 0..3 {
        Reader::open(&gateway, "c", &ann, None).await.next("status").await;
    }
    let client = postgres(&db.url).await;
    until(&client, "SELECT count(*) = 6 FROM oasis_audit_logs WHERE action LIKE 'cast.sse_%'").await;
    let log = async |query: &str, token: &str| {
        call(gateway.address, "GET", &format!("/api/v1/audit{query}"), token, Value::Null).await
    };
    for credential in [&ann, SERVICE] {
        assert_eq!(log("", credential).await.status, 403);
    }
    let page = log("?limit=4", &admin).await.json();
    let (rows, next) = (page["rows"].as_array().unwrap(), page["next"].as_i64().unwrap());
    assert_eq!((rows.len(), rows[3]["id"].as_i64()), (4, Some(next)));
    assert_eq!((&rows[0]["userId"], &rows[0]["castId"]), (&json!("ann"), &json!("c")));
    let rest = log(&format!("?limit=4&before={next}"), &admin).await.json();
    assert_eq!((rest["rows"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
    let closed = log("?action=cast.sse_connection_closed&user=ann&cast=c", &admin).await.json();
    assert_eq!(closed["rows"].as_array().unwrap().len(), 3);
    assert_eq!(log("?user=bob", &admin).await.json()["rows"], json!([]));
    assert_eq!(log("?limit=501", &admin).await.status, 400);
    gateway.stop().await;
}
