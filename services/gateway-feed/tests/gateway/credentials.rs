//! Tests the credentials of callers: their order, API keys, sessions, revocations, and outages of the
//! database.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use oasis_store::{NewApiKey, Revocation, Store};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Feed, pause, send};
use crate::rooms::{Log, SECRET, SERVICE, call, gateway, line, open_room, token, write};
use crate::{Gateway, database};

pub(crate) fn store(url: &str) -> Store {
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        database: oasis_store::DatabaseArgs,
    }
    let args = Args::try_parse_from(["test", "--database-url", url]).unwrap();
    Store::new(args.database, "test").unwrap()
}

/// Makes an API key for a user, and returns the key.
pub(crate) async fn api_key(store: &Store, id: &str, user: &str, expires_in: Option<i64>) -> String {
    let key = format!("sk_live_{id}");
    let expires_at = expires_in.map(|seconds| {
        oasis_core::Ts::from_unix_seconds(jiff::Timestamp::now().as_second() + seconds).unwrap()
    });
    let new = NewApiKey {
        id: id.to_owned(),
        user_id: user.to_owned(),
        name: String::new(),
        hint: String::new(),
        hash: digest(&SHA256, key.as_bytes()).as_ref().try_into().unwrap(),
        expires_at,
    };
    store.create_api_key(&new).await.unwrap();
    key
}

/// The status of a request for a page of the room `r` with these headers.
async fn status(gateway: &Gateway, query: &str, headers: &[(&str, &str)]) -> u16 {
    let path = format!("/api/v1/rooms/r/logs{query}");
    let headers: Vec<_> = headers.iter().copied().chain([("accept", "application/json")]).collect();
    loop {
        let answer = send(gateway.address, "GET", &path, &headers, "").await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer.status.as_u16();
        }
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_credential_decides_even_if_it_is_invalid() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann", "readers": "owner"})).await;
    let store = store(&db.url);
    let (anns_key, bobs_key) =
        (api_key(&store, "a", "ann", None).await, api_key(&store, "b", "bob", None).await);
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    let bearer = |token: &str| format!("Bearer {token}");
    let cookie = |token: &str| format!("theme=dark; oasis_session={token}");
    for (authorization, api_key, query, session, expected) in [
        (Some(bearer(&ann)), None, None, None, 200),
        (Some(bearer(&anns_key)), None, None, None, 200),
        (None, Some(&anns_key), None, None, 200),
        (None, None, Some(&ann), None, 200),
        (None, None, None, Some(&ann), 200),
        // The first credential decides.
        (Some(bearer(&bob)), Some(&anns_key), Some(&ann), Some(&ann), 403),
        (None, Some(&bobs_key), Some(&ann), Some(&ann), 403),
        (None, None, Some(&bob), Some(&ann), 403),
        (Some(bearer("nonsense")), Some(&anns_key), Some(&ann), Some(&ann), 401),
        (Some(bearer(SERVICE)), Some(&anns_key), None, None, 403),
        (None, Some(&ann), Some(&ann), None, 401),
        // Other schemes count as absent.
        (Some("Basic abc".to_owned()), Some(&anns_key), None, None, 200),
        // An API key is never accepted in an address or in a cookie.
        (None, None, Some(&anns_key), Some(&ann), 401),
        (None, None, None, Some(&anns_key), 401),
        (None, None, None, None, 401),
    ] {
        let session = session.map(|session| cookie(session));
        let headers = [
            ("authorization", authorization.as_deref()),
            ("x-api-key", api_key.map(String::as_str)),
            ("cookie", session.as_deref()),
        ];
        let sent: Vec<_> = headers.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
        let query = query.map_or_else(String::new, |token| format!("?token={token}"));
        assert_eq!(status(&gateway, &query, &sent).await, expected, "{sent:?} {query}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_does_not_work_for_requests_of_other_sites() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    let cookie = format!("oasis_session={}", token("ann", 600));
    for (site, expected) in [("cross-site", 401), ("same-site", 200), ("same-origin", 200), ("none", 200)] {
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site)];
        assert_eq!(status(&gateway, "", &headers).await, expected, "{site}");
    }
    for (origin, expected) in [
        (None, 401),
        (Some("http://localhost"), 201),
        (Some("http://evil.example"), 401),
        (Some("null"), 401),
    ] {
        let headers = [("cookie", Some(cookie.as_str())), ("origin", origin)];
        let headers = headers.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let headers: Vec<_> = headers.chain([("content-type", "application/json")]).collect();
        let answer =
            send(gateway.address, "POST", "/api/v1/rooms/r/logs", &headers, line("x").to_string()).await;
        assert_eq!(answer.status, expected, "{origin:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_may_use_the_cookie() {
    let db = database().await;
    let flags = ["--jwt-secret", SECRET, "--ingest-tokens", SERVICE, "--cors-origins", "https://app.example"];
    let gateway = Gateway::start(&db.url, &flags).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    let ann = token("ann", 600);
    // The gateway knows which tokens have been revoked once this request is answered.
    call(gateway.address, "GET", "/api/v1/rooms", &ann, Value::Null).await;
    let cookie = format!("oasis_session={ann}");
    for (origin, status, allowed) in
        [("https://app.example", 201, "https://app.example"), ("https://evil.example", 401, "*")]
    {
        let headers = [
            ("cookie", cookie.as_str()),
            ("origin", origin),
            ("sec-fetch-site", "cross-site"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let path = "/api/v1/rooms/r/logs";
        let answer = send(gateway.address, "POST", path, &headers, line("x").to_string()).await;
        assert_eq!(answer.status, status, "{origin}");
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("access-control-allow-origin").as_deref(), Some(allowed));
        let credentials = header("access-control-allow-credentials");
        assert_eq!(credentials.as_deref(), (status == 201).then_some("true"));
        let preflight = send(gateway.address, "OPTIONS", path, &[("origin", origin)], "").await;
        let allowed = preflight.headers["access-control-allow-methods"].to_str().unwrap();
        assert_eq!((preflight.status.as_u16(), allowed), (204, "GET, HEAD, POST, OPTIONS"));
        let page = send(gateway.address, "GET", path, &headers, "").await;
        assert_eq!(page.status.as_u16() == 200, status == 201, "{origin}");
    }
    // The public routes never answer with credentials.
    let events =
        send(gateway.address, "GET", "/api/v1/oasis/events", &[("origin", "https://app.example")], "");
    assert_eq!(events.await.headers["access-control-allow-origin"], "*");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_ends_its_streams_on_every_gateway() {
    let db = database().await;
    let gateways = [gateway(&db.url).await, gateway(&db.url).await];
    open_room(&gateways[0], "r", json!({})).await;
    let store = store(&db.url);
    let key = api_key(&store, "k1", "ann", None).await;
    let (anns, bobs) = (token("ann", 600), token("bob", 600));
    for (revocation, revoked, code) in [
        (Revocation::Key { id: "k1".into() }, key.as_str(), "key"),
        (Revocation::Token { jti: "ann-600".into(), until: None }, &anns, "token"),
    ] {
        let mut ending = Vec::new();
        let mut staying = Vec::new();
        for gateway in &gateways {
            ending.push(Log::open(gateway, "r", "?tail=0", revoked).await.connected().await);
            staying.push(Log::open(gateway, "r", "?tail=0", &bobs).await.connected().await);
        }
        let began = Instant::now();
        store.revoke(&revocation).await.unwrap();
        for log in &mut ending {
            assert_eq!(log.closed().await, "revoked", "{code}");
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{code}: {:?}", began.elapsed());
        write(&gateways[0], "r", line("later")).await;
        for log in &mut staying {
            assert_eq!(log.messages(1).await, ["later"]);
        }
        for gateway in &gateways {
            let answer = call(gateway.address, "GET", "/api/v1/rooms/r/logs", revoked, Value::Null).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{code}");
        }
    }
    // A gateway that starts later knows the revocations, too.
    let later = gateway(&db.url).await;
    for revoked in [key.as_str(), &anns] {
        let answer = call(later.address, "GET", "/api/v1/rooms/r/logs", revoked, Value::Null).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for gateway in gateways.into_iter().chain([later]) {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_user_loses_old_tokens_and_keys_but_not_new_ones() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let store = store(&db.url);
    let (old, key) = (token("ann", 600), api_key(&store, "k1", "ann", None).await);
    let mut log = Log::open(&gateway, "r", "", &old).await.connected().await;
    let mut by_key = Log::open(&gateway, "r", "", &key).await.connected().await;
    let now = oasis_core::Ts::clamped(jiff::Timestamp::now());
    let revocation = Revocation::User { sub: "ann".into(), before: now, until: None };
    assert_eq!(store.revoke(&revocation).await.unwrap(), 1, "one key was revoked");
    assert_eq!([log.closed().await, by_key.closed().await], ["revoked", "revoked"]);
    pause().await;
    let new = api_key(&store, "k2", "ann", None).await;
    for (credential, expected) in [(&old, 401), (&key, 401), (&new, 200)] {
        let answer = call(gateway.address, "GET", "/api/v1/rooms/r/logs", credential, Value::Null).await;
        assert_eq!(answer.status, expected);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expires_ends_its_streams() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let store = store(&db.url);
    let key = api_key(&store, "k1", "ann", Some(3)).await;
    let mut log = Log::open(&gateway, "r", "", &key).await.connected().await;
    assert_eq!(log.closed().await, "token_expired");
    let answer = call(gateway.address, "GET", "/api/v1/rooms/r/logs", &key, Value::Null).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    gateway.stop().await;
}

/// If READ_TOKENS is set, a user can read the ticker only until the credential of the user is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_no_longer_read_loses_the_ticker() {
    let db = database().await;
    let flags = ["--jwt-secret", crate::rooms::SECRET, "--read-tokens", "s3cret"];
    let gateway = Gateway::start(&db.url, &flags).await;
    let bearer = format!("Bearer {}", token("ann", -28));
    let mut feed = Feed::open(gateway.address, "", &[("authorization", &bearer)]).await;
    feed.connected().await;
    while feed.block().await.unwrap().is_some() {}
    gateway.stop().await;
}

/// Native EventSource clients never reconnect after a status other than 200.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_a_valid_token_gets_comments_and_an_invalid_one_is_refused() {
    // This listener accepts connections, but never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://127.0.0.1:{}/none?connect_timeout=1", silent.local_addr().unwrap().port());
    let gateway = gateway(&url).await;
    let bearer = format!("Bearer {}", token("ann", 600));
    let path = "/api/v1/rooms/r/logs";
    let mut feed = Feed::open_path(gateway.address, path, &[("authorization", &bearer)]).await;
    assert!(feed.text().await.unwrap().unwrap().starts_with(": waiting"));
    let refused = send(gateway.address, "GET", path, &[("authorization", "Bearer nonsense")], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let page = [("authorization", bearer.as_str()), ("accept", "application/json")];
    let page = send(gateway.address, "GET", path, &page, "").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    gateway.shutdown.trigger();
    let mut last = String::new();
    while let Some(block) = feed.text().await.unwrap() {
        last = block;
    }
    assert!(last.contains(r#""reason":"shutdown""#), "{last}");
    gateway.stop().await;
}

/// A session of Auth.js counts wherever a JSON Web Token counts, but not for a request from another site.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_auth_js_is_a_credential() {
    let samples = include_str!("../../../../crates/oasis-identity/tests/data/sessions.json");
    let samples: Vec<Value> = serde_json::from_str(samples).unwrap();
    let sample = |name: &str| {
        let found = samples.iter().find(|sample| sample["name"].as_str().unwrap().ends_with(name)).unwrap();
        let cookies: Vec<&str> =
            found["cookies"].as_array().unwrap().iter().map(|cookie| cookie.as_str().unwrap()).collect();
        (found["secret"].as_str().unwrap().to_owned(), cookies.join("; "))
    };
    let (secret, cookie) = sample("hundred years");
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--authjs-secret", &secret, "--ingest-tokens", SERVICE]).await;
    let list = async |headers: &[(&str, &str)]| {
        let answer = send(gateway.address, "GET", "/api/casts", headers, "").await;
        (answer.status.as_u16(), answer)
    };
    assert_eq!(list(&[("cookie", &cookie)]).await.0, 200);
    assert_eq!(list(&[("cookie", &format!("theme=dark; {cookie}"))]).await.0, 200);
    assert_eq!(list(&[("cookie", &cookie), ("sec-fetch-site", "cross-site")]).await.0, 401);
    assert_eq!(list(&[("cookie", &sample("plain").1)]).await.0, 401, "it has expired");
    let (status, answer) = list(&[("cookie", "authjs.session-token=0a1b2c3d-4e5f")]).await;
    assert_eq!(status, 401);
    assert!(answer.json()["error"]["hint"].as_str().unwrap().contains("strategy"), "a database session");
    assert_eq!(list(&[]).await.0, 401);
    // The header comes first, even if it is invalid.
    assert_eq!(list(&[("cookie", &cookie), ("authorization", "Bearer x")]).await.0, 401);
    gateway.stop().await;
}
