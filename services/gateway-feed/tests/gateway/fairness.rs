//! Tests that one client cannot take the places of the others, and that the gateway says when it is full.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use crate::agents::ping;
use crate::client::{Feed, get, pause, send};
use crate::resources::{Reader, token};
use crate::rooms::SECRET;
use crate::{Gateway, database, postgres};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_a_place_for_a_subscriber_is_not_ready() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--max-subscribers", "1"]).await;
    let ready = async || {
        let answer = get(gateway.address, "/ready").await;
        (answer.status.as_u16(), answer.json()["reasons"].clone())
    };
    while ready().await.0 != 200 {
        pause().await;
    }
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    feed.connected().await;
    let full = "as many clients as MAX_SUBSCRIBERS allows follow the ticker";
    while ready().await != (503, json!([full])) {
        pause().await;
    }
    let refused = get(gateway.address, "/api/v1/devhub/feed").await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (503, "overloaded"));
    drop(feed);
    while ready().await.0 != 200 {
        pause().await;
    }
    gateway.stop().await;
}

/// No token and no user can take the gateway away from the viewers of the ticker.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_a_place_for_an_agent_or_a_private_stream_is_ready_and_says_so() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    // 10,000 agents that ping regularly.
    sql.batch_execute(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
         SELECT now(), 'IDLE', 'UNSET', 'X', 'agent.ping', 'ping', 'info', 'UNSET-X-PING', 'vt/IDLE-ping', \
                jsonb_build_object('instance', 'i' || n, 'interval', 3600, 'repeat', true) \
         FROM generate_series(1, 10000) AS n",
    )
    .await
    .unwrap();
    let flags = ["--max-subscribers", "1", "--jwt-secret", SECRET, "--ingest-anonymous"];
    let gateway = Gateway::start(&db.url, &flags).await;
    let ready = async || {
        let answer = get(gateway.address, "/ready").await;
        (answer.status.as_u16(), answer.json()["full"].clone())
    };
    while ready().await != (200, json!(null)) {
        pause().await;
    }
    let _reader = Reader::open(&gateway, "", &token("ann", json!(null)), None).await;
    let full = [
        "there are too many agents, so new agents of a token with many are not watched",
        "as many clients as MAX_SUBSCRIBERS allows follow resource events",
    ];
    loop {
        ping(gateway.address, "new", "info", json!({"interval": 60})).await;
        let (status, found) = ready().await;
        assert_eq!(status, 200, "{found}");
        if found == json!(full) {
            break;
        }
    }
    // The field says how busy the service is, so not everyone may see it.
    let headers = [("x-forwarded-for", "203.0.113.9")];
    let outside = send(gateway.address, "GET", "/ready", &headers, "").await;
    assert_eq!((outside.status.as_u16(), &outside.json()["full"]), (200, &json!(null)));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_http2_connection_follows_few_streams() {
    let db = database().await;
    for (flags, most) in [
        (&[][..], 8),
        (&["--trusted-proxy-hops", "1"][..], 100),
        (&["--trusted-proxy-hops", "1", "--max-streams-per-connection", "3"][..], 3),
    ] {
        let gateway = Gateway::start(&db.url, flags).await;
        let socket = TcpStream::connect(gateway.address).await.unwrap();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let mut open = Vec::new();
        for nth in 0..=most {
            let uri = format!("http://{}/api/v1/devhub/feed", gateway.address);
            let request = hyper::Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(
                response.status().as_u16(),
                if nth < most { 200 } else { 503 },
                "stream {nth}, {flags:?}"
            );
            open.push(response);
        }
        Feed::open(gateway.address, "", &[]).await.connected().await;
        drop((open, sender));
        gateway.stop().await;
    }
}
