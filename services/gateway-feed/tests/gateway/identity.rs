//! Tests the JSON Web Tokens of viewers: which routes they open, and how the gateway reports bad settings.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::{Feed, get, pause, send};
use crate::process::{Process, binary, finished};
use crate::{Gateway, database};

const SECRET: &str = "only-for-tests-only-for-tests-only-for-tests";
const OTHER: &str = "other-secret-for-tests-other-secret-for-tests";
const FEED: &str = "/api/v1/devhub/feed";
const GUARDED: [&str; 4] = ["/api/v1/oasis/events", "/api/v1/oasis/agents", FEED, "/"];
/// The answer to each refused token.
const REFUSED: (&str, &str) = ("bad_token", "this token is not accepted");

/// A token that expires after this number of seconds.
fn token(secret: &str, seconds: i64, claims: Value) -> String {
    let keys = Keys::new(&[KeySource::Secrets(secret.parse().unwrap())], Rules::default()).unwrap();
    // A token that has already expired cannot be minted, so this token was minted two hours ago.
    let now = Timestamp::now().as_second() - 7_200;
    let claims: Map<String, Value> = claims.as_object().unwrap().clone();
    let at = |second| Ts::from_unix_seconds(second).unwrap();
    let exp = at(now + 7_200 + seconds);
    let (sub, jti) = ("alice".to_owned(), "1".to_owned());
    keys.mint(&NewToken { sub, jti, now: at(now), exp, is_admin: false, claims }).unwrap()
}

fn valid() -> String {
    token(SECRET, 60, Value::Object(Map::new()))
}

/// The status of a request. While the answer is 503, sends the request again: until the gateway has read the
/// table, it neither lists agents nor knows which tokens have been revoked.
async fn status(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> u16 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = send(address, "GET", path, headers, "").await;
        if answer.status != 503 {
            return answer.status.as_u16();
        }
        assert!(Instant::now() < deadline, "{:?}", answer.body);
        pause().await;
    }
}

/// Checks that this token opens a path, in the header and in the query.
async fn opens(gateway: &Gateway, path: &str, token: &str) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    if path == FEED {
        // The stream does not end, so only its first message is read.
        Feed::open(gateway.address, "", &headers).await.connected().await;
        Feed::open(gateway.address, &format!("?token={token}"), &[]).await.connected().await;
        return;
    }
    let in_header = status(gateway.address, path, &headers).await;
    let in_query = status(gateway.address, &format!("{path}?token={token}"), &[]).await;
    assert_eq!([in_header, in_query], [200, 200], "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_token_of_a_viewer_opens_what_read_tokens_guard() {
    let db = database().await;
    let flags = ["--read-tokens", "s3cret", "--jwt-secret", SECRET, "--ingest-tokens", "sender"];
    let gateway = Gateway::start(&db.url, &flags).await;
    for path in GUARDED {
        opens(&gateway, path, &valid()).await;
        opens(&gateway, path, "s3cret").await;
    }
    let nothing = Value::Object(Map::new());
    let expired = token(SECRET, -31, nothing.clone());
    let of_another = token(OTHER, 60, nothing);
    let good = valid();
    let cut = &good[..good.len() - 1];
    for bad in [expired.as_str(), &of_another, cut, "nonsense", "a.b.c", SECRET, "sender"] {
        for path in &GUARDED[..3] {
            let refused = get(gateway.address, &format!("{path}?token={bad}")).await;
            let (code, message) = refused.error();
            assert_eq!(refused.status, 401, "{bad}");
            assert_eq!((code.as_str(), message.as_str()), REFUSED, "{bad}");
            assert_eq!(refused.json()["error"].as_object().unwrap().len(), 2, "{:?}", refused.body);
        }
    }
    assert_eq!(get(gateway.address, "/api/v1/oasis/events").await.error().0, "token_missing");
    // If the token in the header is refused, the token in the query is not tried.
    let headers = [("authorization", "Bearer nonsense")];
    let both = format!("/api/v1/oasis/events?token={}", valid());
    assert_eq!(send(gateway.address, "GET", &both, &headers, "").await.status, 401);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_viewer_may_not_send_events() {
    let db = database().await;
    let flags = ["--read-tokens", "s3cret", "--jwt-secret", SECRET, "--ingest-tokens", "sender"];
    let gateway = Gateway::start(&db.url, &flags).await;
    let event = r#"{"source":"oasis.events","kind":"event","status":"info"}"#;
    for path in ["/events/ingest", "/api/v1/oasis/events"] {
        let bearer = format!("Bearer {}", valid());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let refused = send(gateway.address, "POST", path, &headers, event).await;
        assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (401, "bad_token"), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_read_tokens_everyone_reads_and_a_bad_token_does_not_matter() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--jwt-secret", SECRET]).await;
    for token in [valid().as_str(), "nonsense"] {
        for path in GUARDED {
            opens(&gateway, path, token).await;
        }
    }
    gateway.stop().await;
    // Without keys, no JSON Web Token is valid.
    let gateway = Gateway::start(&db.url, &["--read-tokens", "s3cret"]).await;
    let refused = get(gateway.address, &format!("/api/v1/oasis/events?token={}", valid())).await;
    assert_eq!(refused.status, 401);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issuer_and_audience_are_checked_if_they_are_set() {
    let db = database().await;
    let both = format!("{OTHER} , {SECRET}");
    let flags = ["--read-tokens", "s", "--jwt-secret", &both, "--jwt-issuer", "x, a", "--jwt-audience", "b"];
    let gateway = Gateway::start(&db.url, &flags).await;
    for (claims, status) in [
        (serde_json::json!({"iss": "a", "aud": ["b", "c"]}), 200),
        (serde_json::json!({"iss": "a", "aud": "c"}), 401),
        (serde_json::json!({"iss": "b", "aud": "b"}), 401),
        (serde_json::json!({"aud": "b"}), 401),
    ] {
        let path = format!("/api/v1/oasis/events?token={}", token(SECRET, 60, claims.clone()));
        assert_eq!(self::status(gateway.address, &path, &[]).await, status, "{claims}");
    }
    gateway.stop().await;
}

/// The gateway runs in its own process, so this also tests that the gateway sets up the library for tokens.
#[tokio::test]
async fn the_reason_of_a_refusal_is_logged_at_the_level_debug_without_the_token() {
    let db = database().await;
    let variables = |level| {
        [
            ("DATABASE_URL", db.url.as_str()),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("READ_TOKENS", "s3cret"),
            ("JWT_SECRET", SECRET),
            ("RUST_LOG", level),
        ]
    };
    let expired = token(SECRET, -31, Value::Object(Map::new()));
    for (level, is_logged) in [("info,gateway_feed::access=debug", true), ("info", false)] {
        let gateway = Process::start_with(&variables(level)).await;
        let path = "/api/v1/oasis/events?token=";
        assert_eq!(status(gateway.address, &format!("{path}{}", valid()), &[]).await, 200);
        assert_eq!(status(gateway.address, &format!("{path}{expired}"), &[]).await, 401);
        let log = gateway.stop().await;
        assert_eq!(log.contains("the token has expired"), is_logged, "{log}");
        for part in expired.split('.') {
            assert!(!log.contains(part), "{log}");
        }
    }
}

/// Publishes one key, to any number of clients. Returns the address of the set and the private key.
async fn issuer() -> (String, Ed25519KeyPair, JoinSet<()>) {
    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap();
    let x = base64url(pair.public_key().as_ref());
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}]}}"#);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}", set.len());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/certs", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, pair, server)
}

/// Encodes bytes as base64url, without padding.
fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let of_three = |three: &[u8]| {
        let number = (0..3).fold(0, |sum, at| sum << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        let digits = (0..=three.len()).map(move |at| number >> (18 - 6 * at) & 63);
        digits.map(|digit| char::from(alphabet[digit as usize])).collect::<String>()
    };
    bytes.chunks(3).map(of_three).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_an_issuer_verify_tokens() {
    let db = database().await;
    let (url, pair, _server) = issuer().await;
    let flags =
        ["--read-tokens", "s3cret", "--jwks-url", &url, "--jwt-issuer", "me", "--jwt-audience", "oasis"];
    let gateway = Gateway::start(&db.url, &flags).await;
    let exp = Timestamp::now().as_second() + 60;
    let token = |kid: &str| {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        let claims = format!(r#"{{"sub":"alice","exp":{exp},"iss":"me","aud":"oasis"}}"#);
        let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        let signature = base64url(pair.sign(message.as_bytes()).as_ref());
        format!("{message}.{signature}")
    };
    // The first token waits until the gateway has read the set.
    for path in GUARDED {
        opens(&gateway, path, &token("k")).await;
    }
    let refused = get(gateway.address, &format!("/api/v1/oasis/events?token={}", token("x"))).await;
    let (code, message) = refused.error();
    assert_eq!((refused.status.as_u16(), code.as_str(), message.as_str()), (401, REFUSED.0, REFUSED.1));
    gateway.stop().await;
}

#[test]
fn bad_keys_are_reported_with_their_variable_and_without_a_secret() {
    let start = |variable: &str, value: &str| {
        finished(binary(&[("DATABASE_URL", "postgres://h/d"), ("PORT", "0"), (variable, value)]))
    };
    let (code, text) = start("JWT_SECRET", &format!("{SECRET},hunter2"));
    assert_eq!(code, Some(2), "{text}");
    for part in ["[env: JWT_SECRET]", "secret 2 has 7 bytes", "openssl rand -base64 48"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("hunter2") && !text.contains(SECRET), "{text}");
    let (code, text) = start("JWT_PUBLIC_KEYS", "/nonexistent/key.pem");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("JWT_PUBLIC_KEYS: /nonexistent/key.pem cannot be read"), "{text}");
    let (code, text) = start("JWKS_URL", "https://issuer.example/jwks.json");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE"), "{text}");
    let (code, text) = start("JWKS_URL", "http://issuer.example/jwks.json");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("[env: JWKS_URL]") && text.contains("must begin with https://"), "{text}");
    // This file is not a PEM file.
    let (code, text) = start("JWT_PUBLIC_KEYS", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("has no section BEGIN PUBLIC KEY"), "{text}");
}
