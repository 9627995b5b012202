//! Tests the audit log with many streams: each has one row for its beginning, and one for its end.

use futures_util::future::join_all;

use crate::cast_limits::{follow, ready};
use crate::database;
use crate::postgres;
use crate::process::until;
use crate::rooms::{gateway, token};

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
