//! Tests the ticker: the first message, replay, live events, filters, the mock mode, gaps, an unavailable
//! database, and the end of a stream.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use oasis_core::TICKER_FIELDS;
use oasis_postgres::testing;

use crate::client::{Block, Feed, get, pause, send};
use crate::{Gateway, database, insert, postgres};

/// Waits until the gateway has read the table.
async fn ready(gateway: &Gateway) {
    while get(gateway.address, "/ready").await.status != 200 {
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_gets_a_connected_message_then_the_last_20_events_then_live_events() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let old = insert(&sql, "DEV-OLD-0001", "success", 50).await;
    let gateway = Gateway::start(&db.url, &[]).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    assert_eq!(feed.headers[CONTENT_TYPE], "text/event-stream");
    assert_eq!(feed.headers[CACHE_CONTROL], "no-cache, no-transform");
    assert_eq!(feed.headers["access-control-allow-origin"], "*");
    let connected = feed.connected().await;
    assert_eq!((&connected["mode"], &connected["head"]), (&"live".into(), &50.into()));
    assert_eq!(feed.ids(20).await, old[30..]);
    let new = insert(&sql, "DEV-NEW-0002", "failure", 1).await;
    let (id, event) = feed.event().await;
    assert_eq!((id, &event["vtid"]), (new[0], &"DEV-NEW-0002".into()));
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(event.as_object().unwrap().len(), TICKER_FIELDS.len(), "{text}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_an_empty_table_shows_simulated_events_until_the_first_real_event() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    ready(&gateway).await;
    let (mut all, mut filtered) = (
        Feed::open(gateway.address, "", &[]).await,
        Feed::open(gateway.address, "?vtid=DEV-REAL-0001", &[]).await,
    );
    for feed in [&mut all, &mut filtered] {
        let connected = feed.connected().await;
        assert_eq!((&connected["mode"], &connected["head"]), (&"mock".into(), &0.into()));
    }
    let mut simulated = 0;
    while simulated < 2 {
        match all.next().await {
            Block::Event { id, data } => {
                assert_eq!((id, &data["vtid"]), (None, &"DEV-CICDL-0031".into()), "{data}");
                simulated += 1;
            }
            block => assert_eq!(block, Block::Cursor(0)),
        }
    }
    assert_eq!(get(gateway.address, "/api/v1/devhub/health").await.json()["mode"], "mock");
    let sql = postgres(&db.url).await;
    let rows = sql.query("SELECT FROM oasis_events", &[]).await.unwrap();
    assert_eq!(rows.len(), 0, "simulated events are not stored");
    insert(&sql, "DEV-REAL-0001", "info", 1).await;
    for feed in [&mut all, &mut filtered] {
        let mode = loop {
            let message = feed.message().await;
            if message["vtid"] != "DEV-CICDL-0031" {
                break message;
            }
        };
        assert_eq!((&mode["type"], &mode["mode"]), (&"mode".into(), &"live".into()));
        assert_eq!(feed.event().await.0, 1);
    }
    let health = get(gateway.address, "/api/v1/devhub/health").await.json();
    assert_eq!(
        (&health["mode"], &health["cache_size"], &health["service"]),
        (&"live".into(), &20.into(), &"devhub-feed".into())
    );
    gateway.stop().await;
}

/// A filtered replay has the last 20 matching events. Matching events that are no longer in the ring are read
/// from the table.
#[tokio::test(flavor = "multi_thread")]
async fn filters_apply_to_replay_and_live_events() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let rare = insert(&sql, "DEV-RARE-0001", "failure", 30).await;
    insert(&sql, "DEV-MANY-0002", "success", 6_000).await;
    let gateway = Gateway::start(&db.url, &[]).await;
    let mut feed = Feed::open(gateway.address, "?status=failure&vtid=dev-rare-0001,DEV-MANY-0002", &[]).await;
    feed.connected().await;
    assert_eq!(feed.ids(20).await, rare[10..]);
    assert_eq!(feed.next().await, Block::Cursor(6_030), "a reconnect starts after the last event");
    insert(&sql, "DEV-MANY-0002", "success", 5).await;
    let new = insert(&sql, "DEV-RARE-0001", "failure", 1).await;
    assert_eq!(feed.event().await.0, new[0]);
    let mut none = Feed::open(gateway.address, "?kind=push", &[]).await;
    none.connected().await;
    assert_eq!(none.next().await, Block::Cursor(6_036));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_with_since_starts_with_the_first_event_recorded_at_or_after_that_time() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    insert(&sql, "DEV-TEST-0001", "info", 10).await;
    let gateway = Gateway::start(&db.url, &[]).await;
    let border: String = sql
        .query_one(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    let later = insert(&sql, "DEV-TEST-0001", "info", 40).await;
    let mut feed = Feed::open(gateway.address, &format!("?since={border}"), &[]).await;
    feed.connected().await;
    assert_eq!(feed.ids(40).await, later);
    let mut all = Feed::open(gateway.address, "?since=2020-01-01T00:00:00Z", &[]).await;
    assert_eq!(all.ids(50).await, (1..=50).collect::<Vec<_>>());
    let mut future = Feed::open(gateway.address, "?since=2999-01-01T00:00:00Z", &[]).await;
    future.connected().await;
    let new = insert(&sql, "DEV-TEST-0001", "info", 1).await;
    assert_eq!(future.event().await.0, new[0]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_cursor_that_cannot_be_resumed_gets_a_gap() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    insert(&sql, "DEV-TEST-0001", "info", 100).await;
    sql.batch_execute(
        "DELETE FROM oasis_events WHERE id <= 60; UPDATE oasis_feed_state SET pruned_through = 60",
    )
    .await
    .unwrap();
    let gateway = Gateway::start(&db.url, &[]).await;
    let mut pruned = Feed::open(gateway.address, "", &[("last-event-id", "10")]).await;
    pruned.connected().await;
    let gap = pruned.message().await;
    assert_eq!(gap.to_string(), r#"{"from":10,"reason":"pruned","to":60,"type":"gap"}"#);
    assert_eq!(pruned.ids(40).await, (61..=100).collect::<Vec<_>>());

    let mut reset = Feed::open(gateway.address, "?last_event_id=5000", &[]).await;
    reset.connected().await;
    let gap = reset.message().await;
    assert_eq!(gap.to_string(), r#"{"from":5000,"reason":"reset","to":100,"type":"gap"}"#);
    assert_eq!(reset.ids(20).await, (81..=100).collect::<Vec<_>>());

    let mut exact = Feed::open(gateway.address, "?last_event_id=60", &[]).await;
    exact.connected().await;
    assert_eq!(exact.ids(40).await, (61..=100).collect::<Vec<_>>());
    gateway.stop().await;
}

/// A client of the ticker gets no events of other channels, either live or after a resume.
#[tokio::test(flavor = "multi_thread")]
async fn the_ticker_does_not_show_events_of_other_channels() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateway = Gateway::start(&db.url, &[]).await;
    insert(&sql, "DEV-TEST-0001", "info", 1).await;
    let other = "INSERT INTO oasis_events \
           (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
         VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
                 'vt/UNSET-event', 'room:1')";
    sql.batch_execute(other).await.unwrap();
    ready(&gateway).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    feed.connected().await;
    assert_eq!(feed.event().await.0, 1);
    sql.batch_execute(other).await.unwrap();
    insert(&sql, "DEV-TEST-0001", "info", 1).await;
    assert_eq!(feed.event().await.0, 4);
    let mut resumed = Feed::open(gateway.address, "?last_event_id=1", &[]).await;
    assert_eq!(resumed.event().await.0, 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_waits_while_the_database_is_unavailable() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&url.parse().unwrap()).await.unwrap();
    insert(&postgres(&url).await, "DEV-TEST-0001", "info", 3).await;
    cluster.kill().unwrap();
    let gateway = Gateway::start(&url, &[]).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    assert_eq!(feed.next().await, Block::Comment);
    let ready = get(gateway.address, "/ready").await;
    assert_eq!(ready.status, 503, "{:?}", ready.body);
    assert_eq!(get(gateway.address, "/health").await.status, 200);
    let query = get(gateway.address, "/api/v1/oasis/events").await;
    assert_eq!((query.status.as_u16(), query.error().0.as_str()), (503, "database_unavailable"));
    cluster.restart().unwrap();
    feed.connected().await;
    assert_eq!(feed.ids(3).await, [1, 2, 3]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_every_stream_cleanly() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    ready(&gateway).await;
    let mut feeds = Vec::new();
    for _ in 0..20 {
        let mut feed = Feed::open(gateway.address, "", &[]).await;
        feed.connected().await;
        feeds.push(feed);
    }
    let started = std::time::Instant::now();
    let stopped = tokio::spawn(gateway.stop());
    for mut feed in feeds {
        let mut last = None;
        while let Some(block) = feed.block().await.expect("the connection broke before the stream ended") {
            last = Some(block);
        }
        assert_eq!(last, Some(Block::Retry));
    }
    stopped.await.unwrap();
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn if_read_tokens_are_set_every_way_to_read_requires_a_token() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--read-tokens", "old,s3cret", "--ingest-anonymous"]).await;
    for path in ["/api/v1/devhub/feed", "/api/v1/oasis/events", "/"] {
        assert_eq!(get(gateway.address, path).await.error().0, "token_missing", "{path}");
        let wrong = get(gateway.address, &format!("{path}?token=no")).await;
        assert_eq!((wrong.status.as_u16(), wrong.error().0.as_str()), (401, "bad_token"));
    }
    for path in ["/api/v1/oasis/events", "/"] {
        assert_eq!(get(gateway.address, &format!("{path}?token=s3cret")).await.status, 200, "{path}");
        let bearer = send(gateway.address, "GET", path, &[("authorization", "Bearer old")], "").await;
        assert_eq!(bearer.status, 200, "{path}");
    }
    Feed::open(gateway.address, "?token=s3cret", &[]).await.connected().await;
    // A request that a proxy forwarded does not come from this machine.
    let forwarded = ("x-forwarded-for", "203.0.113.9");
    for (query, authorization, code) in [
        ("", None, Some("token_missing")),
        ("", Some("Bearer no"), Some("bad_token")),
        ("", Some("Bearer s3cret"), None),
        ("?token=no", None, Some("bad_token")),
        ("?token=s3cret", None, None),
    ] {
        let headers: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().chain([forwarded]).collect();
        let metrics = send(gateway.address, "GET", &format!("/metrics{query}"), &headers, "").await;
        let refused = (metrics.status == 401).then(|| metrics.error().0);
        assert_eq!(refused.as_deref(), code, "{query} {authorization:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_readers_learn_why_the_gateway_is_not_ready() {
    let url = "postgres://u:p@127.0.0.1:1/none";
    let gateway = Gateway::start(url, &["--read-tokens", "s3cret"]).await;
    let forwarded = ("x-forwarded-for", "203.0.113.9");
    for (more, sees) in [(None, false), (Some(("authorization", "Bearer s3cret")), true)] {
        let headers: Vec<_> = more.into_iter().chain([forwarded]).collect();
        let ready = send(gateway.address, "GET", "/ready", &headers, "").await;
        let text = String::from_utf8_lossy(&ready.body).into_owned();
        assert_eq!((ready.status.as_u16(), text.contains("Connection refused")), (503, sees), "{text}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_bad_parameter() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    for (query, name) in [
        ("colour=red", "colour"),
        ("since=nonsense", "since"),
        ("last_event_id=abc", "last_event_id"),
        ("vtid=a&vtid=b", "vtid"),
        ("status=maybe", "status"),
        ("status=%ff", "status"),
    ] {
        let answer = get(gateway.address, &format!("/api/v1/devhub/feed?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let (code, message) = answer.error();
        assert!(code == "bad_parameter" && message.contains(name), "{query}: {message}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
    let preflight =
        send(gateway.address, "OPTIONS", "/api/v1/devhub/feed", &[("origin", "http://x")], "").await;
    assert_eq!(preflight.status, 204);
    let wrong = send(gateway.address, "DELETE", "/api/v1/oasis/events", &[], "").await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.headers["allow"].to_str().unwrap()),
        (405, "GET, HEAD, POST, OPTIONS")
    );
    assert_eq!(get(gateway.address, "/nothing").await.status, 404);
    gateway.stop().await;
}

/// After a prune, a running gateway does not replay the deleted events. A client with an older cursor gets a
/// gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_forgets_pruned_events() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    insert(&sql, "DEV-TEST-0001", "info", 30).await;
    let gateway = Gateway::start(&db.url, &[]).await;
    ready(&gateway).await;
    let mut live = Feed::open(gateway.address, "", &[]).await;
    assert_eq!(live.ids(20).await.last(), Some(&30));
    let args = oasis_store::DatabaseArgs::new(db.url.parse().unwrap());
    let store = oasis_store::Store::new(args, "test").unwrap();
    assert_eq!(
        store.prune(&oasis_core::Family::devhub(), std::time::Duration::ZERO, |_| {}).await.unwrap().through,
        30
    );
    // The tail reads this event after the prune. Once the event arrives, the gateway knows about the prune.
    insert(&sql, "DEV-TEST-0001", "info", 1).await;
    assert_eq!(live.event().await.0, 31);
    let mut late = Feed::open(gateway.address, "", &[]).await;
    late.connected().await;
    assert_eq!(late.event().await.0, 31);
    let mut resumed = Feed::open(gateway.address, "?last_event_id=7", &[]).await;
    resumed.connected().await;
    assert_eq!(resumed.message().await.to_string(), r#"{"from":7,"reason":"pruned","to":30,"type":"gap"}"#);
    assert_eq!(resumed.event().await.0, 31);
    gateway.stop().await;
}
