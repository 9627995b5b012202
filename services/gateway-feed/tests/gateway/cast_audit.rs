//! Tests the audit log with many streams: each has one row for its beginning, and one for its end. Also tests
//! the summary of the log.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::cast_limits::{follow, ready};
use crate::client::Answer;
use crate::process::until;
use crate::room_servers::insert_row;
use crate::rooms::{admin_token, call, gateway, refused, token};
use crate::{Gateway, database, postgres};

/// The streams of each user.
const PER_USER: usize = 5;
/// The number of streams that are opened at the same time.
const AT_ONCE: usize = 50;
/// The number of streams that are open when the gateways are stopped.
const LAST: usize = 250;

/// Opens streams on two gateways. Their clients leave, except the last ones, when the gateways are stopped.
async fn every_stream_is_reported_once(streams: usize) {
    let db = database().await;
    let gateways = [gateway(&db.url).await, gateway(&db.url).await];
    ready(&gateways).await;
    let mut feeds = Vec::new();
    let all: Vec<usize> = (0..streams).collect();
    for some in all.chunks(AT_ONCE) {
        let tries = some.iter().map(|nth| {
            let token = token(&format!("user-{}", nth / PER_USER), 600);
            let gateway = &gateways[nth % 2];
            async move { follow(gateway, "/events", &token).await.unwrap() }
        });
        feeds.extend(join_all(tries).await);
        feeds.drain(..feeds.len().saturating_sub(LAST));
    }
    let client = postgres(&db.url).await;
    let closed = format!(
        "SELECT count(*) = {} FROM oasis_audit_logs WHERE action = 'cast.sse_connection_closed'",
        streams - LAST
    );
    until(&client, &closed).await;
    // Clients that have left no longer count, as soon as their gateways have freed their places.
    until(&client, &format!("SELECT count(*) = {LAST} FROM oasis_places")).await;
    let summary = read_summary(&gateways[0], "", &admin_token("root", 600)).await.json();
    let users = |streams: usize| streams.div_ceil(PER_USER);
    assert_eq!(summary["open"], json!({"streams": LAST, "users": users(LAST)}));
    assert_eq!(summary["opened"], json!({"streams": streams, "users": users(streams)}));
    assert_eq!(summary["reasons"], json!([{"reason": "client_disconnect", "streams": streams - LAST}]));
    assert_eq!((&summary["refused"], &summary["complete"]), (&json!(0), &json!(true)));
    let [first, second] = gateways;
    tokio::join!(first.stop(), second.stop());
    drop(feeds);
    let rows = "SELECT action, coalesce(metadata ->> 'reason', ''), count(*) FROM oasis_audit_logs \
                WHERE action LIKE 'cast.sse_%' GROUP BY 1, 2 ORDER BY 1, 2";
    let rows: Vec<(String, String, i64)> = client
        .query(rows, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let (all, last) = (streams as i64, LAST as i64);
    let row = |action: &str, reason: &str, count| {
        (format!("cast.sse_connection_{action}"), reason.to_owned(), count)
    };
    let expected = [
        row("closed", "client_disconnect", all - last),
        row("closed", "shutdown", last),
        row("opened", "", all),
    ];
    assert_eq!(rows, expected);
    assert_eq!(client.query_one("SELECT count(*) FROM oasis_places", &[]).await.unwrap().get::<_, i64>(0), 0);
}

async fn read_summary(gateway: &Gateway, query: &str, token: &str) -> Answer {
    call(gateway.address, "GET", &format!("/api/v1/audit/summary{query}"), token, Value::Null).await
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_read_a_summary_of_the_audit_log() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let client = postgres(&db.url).await;
    let nothing = read_summary(&gateway, "", &admin_token("root", 600)).await.json();
    assert_eq!(nothing["opened"], json!({"streams": 0, "users": 0}));
    assert_eq!(nothing["duration"], json!({"median": null, "average": null}));
    assert_eq!(nothing["complete"], true);
    // Other programs may write any row.
    for (kind, meta) in [
        ("opened", json!({"userId": "ann"})),
        ("opened", json!({"userId": "ann"})),
        ("opened", json!({"userId": "bob"})),
        ("closed", json!({"userId": "ann", "reason": "terminal_state", "duration": 1_000})),
        ("closed", json!({"userId": "bob", "reason": "terminal_state", "duration": 3_000})),
        ("closed", json!({"userId": "bob", "reason": "timeout", "duration": 11_000})),
        ("closed", json!({"duration": "long"})),
        ("failed", json!({"status": 401})),
        ("failed", json!({"count": 40})),
        ("failed", json!({"count": {}})),
    ] {
        let kind = format!("cast.sse_connection_{kind}");
        insert_row(&client, "audit", &kind, &meta.to_string()).await;
    }
    let mut summary = read_summary(&gateway, "?hours=1", &admin_token("root", 600)).await.json();
    assert!(summary.as_object_mut().unwrap().remove("since").is_some_and(|since| since.is_string()));
    let expected = json!({
        "open": {"streams": 0, "users": 0}, "opened": {"streams": 3, "users": 2}, "refused": 42,
        "duration": {"median": 3_000, "average": 5_000}, "complete": true,
        "reasons": [{"reason": "terminal_state", "streams": 2}, {"reason": "", "streams": 1},
            {"reason": "timeout", "streams": 1}],
    });
    assert_eq!(summary, expected);
    for query in ["?hours=0", "?hours=745", "?hours=x", "?color=red", "?hours=1&hours=2"] {
        assert_eq!(read_summary(&gateway, query, &admin_token("root", 600)).await.status, 400, "{query}");
    }
    let ann = read_summary(&gateway, "", &token("ann", 600)).await;
    assert_eq!(refused(&ann), (403, "not_an_administrator".to_owned()));
    assert_eq!(read_summary(&gateway, "", "nonsense").await.status, 401);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_streams_is_in_the_audit_log_once() {
    every_stream_is_reported_once(500).await;
}

/// Takes half a minute.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long"]
async fn each_of_ten_thousand_streams_is_in_the_audit_log_once() {
    every_stream_is_reported_once(10_000).await;
}
