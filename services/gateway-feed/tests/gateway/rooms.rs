//! Tests rooms: the write API, the stream and the pages of a log, and who may read them.

use std::net::SocketAddr;

use hyper::StatusCode;
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules};
use serde_json::{Map, Value, json};

use crate::client::{Answer, Feed, get, pause, send};
use crate::{Gateway, database};

pub(crate) const SECRET: &str = "only-for-tests-only-for-tests-only-for-tests";
pub(crate) const SERVICE: &str = "service-token";

/// A token of a user, which is valid for this number of seconds.
pub(crate) fn token(user: &str, seconds: i64) -> String {
    minted(user, seconds, false)
}

/// As [`token`], for an administrator.
pub(crate) fn admin_token(user: &str, seconds: i64) -> String {
    minted(user, seconds, true)
}

fn minted(user: &str, seconds: i64, is_admin: bool) -> String {
    let keys = Keys::new(&[KeySource::Secrets(SECRET.parse().unwrap())], Rules::default()).unwrap();
    // The token was minted two hours ago, because an expired token can't be minted.
    let now = jiff::Timestamp::now().as_second();
    let at = |second| Ts::from_unix_seconds(second).unwrap();
    let (sub, jti) = (user.to_owned(), format!("{user}-{seconds}"));
    let (now, exp) = (at(now - 7_200), at(now + seconds));
    keys.mint(&NewToken { sub, jti, now, exp, is_admin, claims: Map::new() }).unwrap()
}

pub(crate) async fn gateway(url: &str) -> Gateway {
    Gateway::start(url, &["--jwt-secret", SECRET, "--ingest-tokens", SERVICE]).await
}

/// Sends a request with a bearer token, and with a JSON body if there is one. Sends it again while the
/// gateway has not read the table yet.
pub(crate) async fn call(address: SocketAddr, method: &str, path: &str, token: &str, body: Value) -> Answer {
    call_with(address, (method, path), token, &[], body).await
}

/// As [`call`], with more headers.
pub(crate) async fn call_with(
    address: SocketAddr,
    (method, path): (&str, &str),
    token: &str,
    more: &[(&str, &str)],
    body: Value,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    headers.extend(more);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    loop {
        let answer = send(address, method, path, &headers, body.clone()).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
        pause().await;
    }
}

pub(crate) async fn open_room(gateway: &Gateway, room: &str, body: Value) {
    let answer = call(gateway.address, "PUT", &format!("/api/v1/rooms/{room}"), SERVICE, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
}

pub(crate) fn line(message: &str) -> Value {
    json!({"agentType": "code", "message": message})
}

pub(crate) async fn write(gateway: &Gateway, room: &str, lines: Value) -> Answer {
    call(gateway.address, "POST", &format!("/api/v1/rooms/{room}/logs"), SERVICE, lines).await
}

/// A reader of the log of a room.
pub(crate) struct Log(Feed);

impl Log {
    pub(crate) async fn open(gateway: &Gateway, room: &str, query: &str, token: &str) -> Self {
        let path = format!("/api/v1/rooms/{room}/logs{query}");
        let bearer = format!("Bearer {token}");
        Self(Feed::open_path(gateway.address, &path, &[("authorization", &bearer)]).await)
    }

    /// The text of the next block, even if it has no data.
    pub(crate) async fn block(&mut self) -> Option<String> {
        self.0.text().await.unwrap()
    }

    /// The name, the id and the data of the next event. Blocks without data are skipped.
    pub(crate) async fn event(&mut self) -> Option<(String, Option<i64>, Value)> {
        while let Some(block) = self.0.text().await.unwrap() {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                let id = field("id: ").map(|id| id.parse().unwrap());
                return Some((name.to_owned(), id, serde_json::from_str(data).unwrap()));
            }
        }
        None
    }

    /// Reads the first event, which must be `connected`.
    pub(crate) async fn connected(mut self) -> Self {
        let (name, _, _) = self.event().await.unwrap();
        assert_eq!(name, "connected");
        self
    }

    /// The messages of the next `count` lines.
    pub(crate) async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let (name, id, data) = self.event().await.expect("the stream ended");
            if name == "log" {
                assert!(id.is_some());
                messages.push(data["message"].as_str().unwrap().to_owned());
            }
        }
        messages
    }

    /// The reason in the last event. The stream must end after it.
    pub(crate) async fn closed(&mut self) -> String {
        loop {
            let (name, _, data) = self.event().await.expect("the stream ended without `close`");
            match name.as_str() {
                "close" => {
                    assert!(self.event().await.is_none());
                    return data["reason"].as_str().unwrap().to_owned();
                }
                "heartbeat" => {}
                other => panic!("{other}: {data}"),
            }
        }
    }
}

/// The status and the code of a refused request.
pub(crate) fn refused(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.error().0)
}

/// A test of the earlier system: a client connects, three lines are published, and the client gets them.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_receives_three_of_three_lines() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "build-1", json!({"title": "Build"})).await;
    let token = token("ann", 600);
    let in_query = format!("/api/v1/rooms/build-1/logs?token={token}");
    let mut viewers = [
        Log::open(&gateway, "build-1", "", &token).await,
        Log(Feed::open_path(gateway.address, &in_query, &[]).await),
    ];
    for viewer in &mut viewers {
        let (name, _, data) = viewer.event().await.unwrap();
        assert_eq!((name.as_str(), &data["roomId"]), ("connected", &json!("build-1")));
        assert!(data["timestamp"].as_str().unwrap().ends_with('Z'));
    }
    let lines = json!([
        {"agentType": "code", "level": "info", "message": "one", "timestamp": "2026-01-02T03:04:05Z"},
        {"agentType": "deploy", "level": "success", "message": "two", "metadata": {"n": 2}},
        {"agentType": "code", "level": "error", "message": "three", "vtid": "DEV-CICDL-0031"},
    ]);
    let answer = write(&gateway, "build-1", lines).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["accepted"]), (201, &json!(3)));
    for viewer in &mut viewers {
        let (name, id, data) = viewer.event().await.unwrap();
        assert!(name == "log" && id.is_some());
        let first = json!({"timestamp": "2026-01-02T03:04:05.000Z", "agentType": "code", "level": "info",
                           "message": "one"});
        assert_eq!(data, first);
        let (_, _, data) = viewer.event().await.unwrap();
        assert_eq!((&data["level"], &data["metadata"]), (&json!("success"), &json!({"n": 2})));
        let (_, id, data) = viewer.event().await.unwrap();
        assert_eq!((&data["vtid"], id), (&json!("DEV-CICDL-0031"), answer.json()["lastId"].as_i64()));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_viewer_gets_the_last_lines_and_a_returning_viewer_the_missed_lines() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let lines: Vec<Value> = (0..150).map(|nth| line(&nth.to_string())).collect();
    let last = write(&gateway, "r", json!(lines)).await.json()["lastId"].as_i64().unwrap();
    let token = token("ann", 600);
    let numbers = |from: usize, to: usize| (from..to).map(|nth| nth.to_string()).collect::<Vec<_>>();
    let resumed = format!("?last_event_id={}", last - 3);
    let mut missed = Log::open(&gateway, "r", &resumed, &token).await.connected().await;
    // From here on, the gateway has read all lines.
    assert_eq!(missed.messages(3).await, numbers(147, 150));
    let mut log = Log::open(&gateway, "r", "", &token).await.connected().await;
    assert_eq!(log.messages(100).await, numbers(50, 150));
    let mut log = Log::open(&gateway, "r", "?tail=2", &token).await.connected().await;
    assert_eq!(log.messages(2).await, numbers(148, 150));
    let mut log = Log::open(&gateway, "r", "?tail=0", &token).await.connected().await;
    write(&gateway, "r", line("150")).await;
    for log in [&mut log, &mut missed] {
        assert_eq!(log.messages(1).await, ["150"]);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_room_stays_readable_and_its_streams_end_after_the_last_line() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let token = token("ann", 600);
    let mut live = Log::open(&gateway, "r", "", &token).await.connected().await;
    let lines: Vec<Value> = (0..5).map(|nth| line(&nth.to_string())).collect();
    let last = write(&gateway, "r", json!(lines)).await.json()["lastId"].as_i64().unwrap();
    let closed = call(gateway.address, "DELETE", "/api/v1/rooms/r", SERVICE, Value::Null).await;
    assert_eq!((closed.status.as_u16(), &closed.json()["state"]), (200, &json!("closed")));
    assert_eq!(live.messages(5).await.len(), 5);
    assert_eq!(live.closed().await, "closed");
    for (query, expected) in [
        ("?tail=3".to_owned(), 3),
        ("?tail=0".to_owned(), 0),
        (String::new(), 5),
        (format!("?last_event_id={}", last - 1), 1),
        (format!("?last_event_id={}", last + 1), 0),
    ] {
        let mut log = Log::open(&gateway, "r", &query, &token).await.connected().await;
        assert_eq!(log.messages(expected).await.len(), expected, "{query}");
        assert_eq!(log.closed().await, "closed", "{query}");
    }
    assert_eq!(refused(&write(&gateway, "r", line("late")).await), (409, "room_closed".to_owned()));
    let again = call(gateway.address, "DELETE", "/api/v1/rooms/r", SERVICE, Value::Null).await;
    assert_eq!(again.status, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_who_may_read_a_room_get_its_lines() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "mine", json!({"owner": "ann", "readers": "owner"})).await;
    open_room(&gateway, "ours", json!({"owner": "ann"})).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    for path in ["/api/v1/rooms/mine", "/api/v1/rooms/mine/logs"] {
        assert_eq!(call(gateway.address, "GET", path, &ann, Value::Null).await.status, StatusCode::OK);
        let others = call(gateway.address, "GET", path, &bob, Value::Null).await;
        assert_eq!(refused(&others), (403, "not_your_room".to_owned()), "{path}");
        let service = call(gateway.address, "GET", path, SERVICE, Value::Null).await;
        assert_eq!(refused(&service), (403, "not_a_user".to_owned()), "{path}");
        let nobody = get(gateway.address, path).await;
        assert_eq!(refused(&nobody), (401, "token_missing".to_owned()), "{path}");
    }
    let rooms = |answer: Answer| -> Vec<String> {
        let rooms = answer.json()["rooms"].as_array().unwrap().clone();
        rooms.iter().map(|room| room["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |token: &str| call(gateway.address, "GET", "/api/v1/rooms", token, Value::Null).await;
    assert_eq!(rooms(list(&ann).await), ["ours", "mine"]);
    assert_eq!(rooms(list(&bob).await), ["ours"]);
    // A room that does not exist, and a name that no room can have.
    for (path, token, status) in [
        ("/api/v1/rooms/none/logs", ann.as_str(), 404),
        ("/api/v1/rooms/../logs", &ann, 404),
        ("/api/v1/rooms/none/logs", "nonsense", 401),
    ] {
        assert_eq!(call(gateway.address, "GET", path, token, Value::Null).await.status, status, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_readers_ends_the_streams_of_users_who_may_no_longer_read() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    let mut anns = Log::open(&gateway, "r", "", &ann).await.connected().await;
    let mut bobs = Log::open(&gateway, "r", "", &bob).await.connected().await;
    let changed = call(gateway.address, "PUT", "/api/v1/rooms/r", &ann, json!({"readers": "owner"})).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["readers"]), (200, &json!("owner")));
    write(&gateway, "r", line("secret")).await;
    assert_eq!(bobs.closed().await, "revoked");
    assert_eq!(anns.messages(1).await, ["secret"]);
    // The room gets another owner.
    let given = call(gateway.address, "PUT", "/api/v1/rooms/r", SERVICE, json!({"owner": "bob"})).await;
    assert_eq!(given.json()["owner"], json!("bob"));
    assert_eq!(anns.closed().await, "revoked");
    let mut bobs = Log::open(&gateway, "r", "", &bob).await.connected().await;
    assert_eq!(bobs.messages(1).await, ["secret"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_token_expires() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    // The leeway of 30 s ends in 2 s.
    let mut log = Log::open(&gateway, "r", "", &token("ann", -28)).await.connected().await;
    assert_eq!(log.closed().await, "token_expired");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_back_and_forth_and_filter() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let lines: Vec<Value> = (0..30)
        .map(|nth| {
            let level = if nth % 10 == 0 { "error" } else { "info" };
            json!({"agentType": if nth < 15 { "code" } else { "deploy" }, "level": level,
                   "message": format!("Line {nth}")})
        })
        .collect();
    write(&gateway, "r", json!(lines)).await;
    let ann = token("ann", 600);
    let page = async |query: &str| {
        let path = format!("/api/v1/rooms/r/logs{query}");
        let page = call(gateway.address, "GET", &path, &ann, Value::Null).await.json();
        let messages = page["lines"].as_array().unwrap().iter();
        let numbers: Vec<i64> = messages
            .map(|line| line["message"].as_str().unwrap().split_once(' ').unwrap().1.parse().unwrap())
            .collect();
        (numbers, page["cursor"].as_i64().unwrap(), page["more"].as_bool().unwrap())
    };
    let (newest, cursor, more) = page("?limit=10").await;
    assert_eq!((newest, more), ((20..30).collect::<Vec<_>>(), true));
    let (earlier, cursor, more) = page(&format!("?limit=20&before={cursor}")).await;
    assert_eq!((earlier, more), ((0..20).collect::<Vec<_>>(), false));
    let (later, _, more) = page(&format!("?limit=5&after={cursor}")).await;
    assert_eq!((later, more), ((1..6).collect::<Vec<_>>(), true));
    assert_eq!(page("?level=error").await.0, [0, 10, 20]);
    assert_eq!(page("?agentType=code&level=error,warn").await.0, [0, 10]);
    assert_eq!(page("?q=LINE+1").await.0.len(), 11);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_idempotency_key_stores_nothing_twice() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    open_room(&gateway, "s", json!({})).await;
    let (service, ann) = (format!("Bearer {SERVICE}"), format!("Bearer {}", token("ann", 600)));
    let post = async |room: &str, bearer: &str, lines: Value| {
        let headers =
            [("authorization", bearer), ("content-type", "application/json"), ("idempotency-key", "k1")];
        let path = format!("/api/v1/rooms/{room}/logs");
        let answer = send(gateway.address, "POST", &path, &headers, lines.to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        answer.json()["lastId"].as_i64().unwrap()
    };
    let two = json!([line("a"), line("b")]);
    let first = post("r", &service, two.clone()).await;
    assert_eq!(post("r", &service, two.clone()).await, first);
    assert_ne!(post("r", &ann, two.clone()).await, first, "the keys of different writers are separate");
    assert_ne!(post("s", &service, two).await, first, "the keys of different rooms are separate");
    let headers = [
        ("authorization", service.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "k1"),
    ];
    let path = "/api/v1/rooms/r/logs";
    for other in [json!([line("a"), line("c")]), json!([line("a")]), json!([line("a"), line("b"), line("c")])]
    {
        let answer = send(gateway.address, "POST", path, &headers, other.to_string()).await;
        assert_eq!(refused(&answer), (409, "key_reused".to_owned()), "{other}");
    }
    let page = call(gateway.address, "GET", path, &token("ann", 600), Value::Null).await.json();
    assert_eq!(page["lines"].as_array().unwrap().len(), 4, "nothing of the refused requests was stored");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_no_user_can_read_rooms() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for path in ["/api/v1/rooms", "/api/v1/rooms/r", "/api/v1/rooms/r/logs"] {
        let answer = get(gateway.address, path).await;
        assert_eq!(refused(&answer), (403, "auth_not_configured".to_owned()), "{path}");
    }
    let put = send(gateway.address, "PUT", "/api/v1/rooms/r", &[("content-type", "application/json")], "{}");
    assert_eq!(put.await.status, StatusCode::FORBIDDEN, "anonymous senders do not open rooms");
    gateway.stop().await;
}
