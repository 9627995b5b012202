//! Tests revocations that reach the gateway late: because the gateway does not run, because LISTEN does not
//! work, or because a database server is behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oasis_postgres::testing;
use oasis_store::Revocation;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{get, send};
use crate::credentials::{api_key, store};
use crate::process::until;
use crate::rooms::{Log, SECRET, SERVICE, call, gateway, line, open_room, token, write};
use crate::{Gateway, database, postgres};

/// Inserts a row of a room, or another private row, without a gateway.
pub(crate) async fn insert_row(client: &tokio_postgres::Client, channel: &str, kind: &str, meta: &str) {
    let sql = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel, \
                 meta) SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', $1::text, 'info', \
                 'UNSET-CORE-' || upper(translate($1, '._', '--')), \
                 'vt/UNSET-' || translate($1, '._', '--'), $2::text, $3::text::jsonb";
    client.execute(sql, &[&kind, &channel, &meta]).await.unwrap();
}

/// The pool of the gateway reads a standby that is behind the server that the tail reads. The standby does
/// not have the revocation yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_counts_although_the_pool_reads_a_standby_that_is_behind() {
    let primary = Arc::new(testing::cluster().await);
    let standby = primary.standby().await;
    let (direct, behind) = (primary.url("postgres"), standby.url("postgres"));
    oasis_store::migrate(&direct.parse().unwrap()).await.unwrap();
    let (writer, reader) = (postgres(&direct).await, postgres(&behind).await);
    insert_row(&writer, "room:r", "room.opened", &json!({}).to_string()).await;
    let position: String = writer.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap().get(0);
    until(&reader, &format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")).await;
    reader.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    until(&reader, "SELECT pg_get_wal_replay_pause_state() = 'paused'").await;
    insert_row(&writer, "access", "access.revoked", &json!({"what": "jti", "jti": "ann-600"}).to_string())
        .await;
    insert_row(&writer, "room:r", "log", &json!({"message": "secret"}).to_string()).await;

    let flags = ["--jwt-secret", SECRET, "--listen-database-url", &direct];
    let gateway = Gateway::start(&behind, &flags).await;
    // The gateway has read the revocations from the standby.
    let asked = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'gateway-feed' \
                   AND query LIKE '%AS head, clock_timestamp() AS now%')";
    until(&reader, asked).await;
    let (mut anns, bobs) = (
        Log::open(&gateway, "r", "", &token("ann", 600)).await,
        Log::open(&gateway, "r", "", &token("bob", 600)).await,
    );
    reader.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    assert_eq!(anns.closed().await, "refused");
    let mut bobs_log = bobs.connected().await;
    assert_eq!(bobs_log.messages(1).await, ["secret"]);
    gateway.stop().await;
}

/// The rows are inserted without notifications, so the tail reads them late. Pages read the table, so they
/// must check the revocations in the table too.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_no_line_that_is_newer_than_a_revocation() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    write(&gateway, "r", line("old")).await;
    let store = store(&db.url);
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    let (cid, dan) = (api_key(&store, "cid", "cid", None).await, token("dan", 600));
    let page = async |token: &str| {
        let answer = call(gateway.address, "GET", "/api/v1/rooms/r/logs", token, Value::Null).await;
        let lines = (answer.status == 200).then(|| answer.json()["lines"].as_array().unwrap().len());
        (answer.status.as_u16(), lines)
    };
    for token in [&ann, &bob, &cid, &dan] {
        assert_eq!(page(token).await, (200, Some(1)));
    }
    let sql = postgres(&db.url).await;
    sql.batch_execute("ALTER TABLE oasis_events DISABLE TRIGGER oasis_events_notify").await.unwrap();
    let now = oasis_core::Ts::clamped(jiff::Timestamp::now());
    for revocation in [
        Revocation::Token { jti: "ann-600".into(), until: None },
        Revocation::Key { id: "cid".into() },
        Revocation::User { sub: "dan".into(), before: now, until: None },
    ] {
        store.revoke(&revocation).await.unwrap();
    }
    insert_row(&sql, "room:r", "log", &json!({"message": "secret"}).to_string()).await;
    assert_eq!(page(&bob).await, (200, Some(2)));
    for token in [&ann, &cid, &dan] {
        assert_eq!(page(token).await, (401, None));
    }
    gateway.stop().await;
}

/// The direct connection does not work, so the gateway polls the table.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_polls_ends_streams_within_3_s_after_their_right_ends() {
    let db = database().await;
    let flags = ["--jwt-secret", SECRET, "--ingest-tokens", SERVICE];
    let direct = ["--listen-database-url", "postgres://127.0.0.1:1/none?connect_timeout=1"];
    let gateway = Gateway::start(&db.url, &[&flags[..], &direct].concat()).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    let store = store(&db.url);
    let key = api_key(&store, "k1", "cid", None).await;
    let [ann, bob, dan] = ["ann", "bob", "dan"].map(|user| token(user, 600));
    let mut anns = Log::open(&gateway, "r", "?tail=0", &ann).await.connected().await;
    let polls = get(gateway.address, "/ready").await.json()["polls"].as_str().unwrap().to_owned();
    assert!(polls.contains("LISTEN_DATABASE_URL can't be reached"), "{polls}");
    let now = oasis_core::Ts::clamped(jiff::Timestamp::now());
    let revocations = [
        (&key, Revocation::Key { id: "k1".into() }),
        (&bob, Revocation::Token { jti: "bob-600".into(), until: None }),
        (&dan, Revocation::User { sub: "dan".into(), before: now, until: None }),
    ];
    let mut ending = Vec::new();
    for (token, _) in &revocations {
        ending.push(Log::open(&gateway, "r", "?tail=0", token).await.connected().await);
    }
    let eve = token("eve", 600);
    let mut eves = Log::open(&gateway, "r", "?tail=0", &eve).await.connected().await;
    let began = Instant::now();
    for (_, revocation) in &revocations {
        store.revoke(revocation).await.unwrap();
    }
    let sql = postgres(&db.url).await;
    insert_row(&sql, "room:r", "log", &json!({"message": "of eve too"}).to_string()).await;
    insert_row(&sql, "room:r", "room.updated", r#"{"readers": "owner"}"#).await;
    insert_row(&sql, "room:r", "log", &json!({"message": "secret"}).to_string()).await;
    for log in &mut ending {
        assert_eq!(log.closed().await, "revoked");
    }
    while let Some((name, _, data)) = eves.event().await {
        assert!(name != "log" || data["message"] == "of eve too", "{data}");
    }
    assert_eq!(anns.messages(2).await, ["of eve too", "secret"]);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_was_revoked_while_no_gateway_ran_opens_no_stream() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let address = gateway.address;
    open_room(&gateway, "r", json!({})).await;
    let store = store(&db.url);
    let (key, bob, dan) = (api_key(&store, "k1", "cid", None).await, token("bob", 600), token("dan", 600));
    for token in [&key, &bob, &dan] {
        Log::open(&gateway, "r", "", token).await.connected().await;
    }
    gateway.stop().await;
    let now = oasis_core::Ts::clamped(jiff::Timestamp::now());
    for revocation in [
        Revocation::Key { id: "k1".into() },
        Revocation::Token { jti: "bob-600".into(), until: None },
        Revocation::User { sub: "dan".into(), before: now, until: None },
    ] {
        store.revoke(&revocation).await.unwrap();
    }
    let flags = ["--jwt-secret", SECRET, "--ingest-tokens", SERVICE];
    let gateway = Gateway::start_at(&db.url, &flags, address).await;
    for token in [&key, &bob, &dan] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("last-event-id", "1")];
        // The first requests arrive before the gateway has read the table.
        let answer = send(address, "GET", "/api/v1/rooms/r/logs", &headers, "");
        let answer = timeout(Duration::from_secs(20), answer).await.expect("the stream did not end");
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let refused = answer.status == 401 || body.contains(r#""reason":"refused""#);
        assert!(refused && !body.contains("connected"), "{} {body}", answer.status);
    }
    gateway.stop().await;
}
