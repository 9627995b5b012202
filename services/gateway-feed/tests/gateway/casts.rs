//! Tests the stream of a cast, from the start of the cast to its end, and who may read it.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::client::{Answer, Feed, send};
use crate::room_servers::insert_row;
use crate::rooms::{SECRET, SERVICE, call, gateway, refused, token};
use crate::{Gateway, database};

pub(crate) const CASTS: &str = "/api/casts";

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<i64>,
    pub(crate) data: Value,
}

/// A reader of the stream of a cast.
pub(crate) struct Reader(Feed);

impl Reader {
    pub(crate) async fn open(gateway: &Gateway, cast: &str, token: &str, cursor: Option<i64>) -> Self {
        Self::with_query(gateway, cast, "", token, cursor).await
    }

    pub(crate) async fn with_query(
        gateway: &Gateway,
        cast: &str,
        query: &str,
        token: &str,
        cursor: Option<i64>,
    ) -> Self {
        Self::at(gateway, &format!("{CASTS}/{cast}/events{query}"), token, cursor).await
    }

    /// Opens the stream of all casts of a user.
    pub(crate) async fn of_user(gateway: &Gateway, query: &str, token: &str, cursor: Option<i64>) -> Self {
        Self::at(gateway, &format!("{CASTS}/events{query}"), token, cursor).await
    }

    async fn at(gateway: &Gateway, path: &str, token: &str, cursor: Option<i64>) -> Self {
        let bearer = format!("Bearer {token}");
        let cursor = cursor.map_or(String::new(), |cursor| cursor.to_string());
        let headers = [("authorization", bearer.as_str()), ("last-event-id", &cursor)];
        Self(Feed::open_path(gateway.address, path, &headers).await)
    }

    /// The next event; `None` at the end of the stream. Blocks without data are skipped.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        while let Some(block) = self.0.text().await.unwrap() {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                let id = field("id: ").map(|id| id.parse().unwrap());
                return Some(Event { name: name.to_owned(), id, data: serde_json::from_str(data).unwrap() });
            }
        }
        None
    }

    /// The next event, which must have this name. Its `timestamp` is removed.
    pub(crate) async fn next(&mut self, name: &str) -> Event {
        let mut event = self.event().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
        assert_eq!(event.name, name, "{event:?}");
        if name != "close" && name != "timeout" {
            assert!(event.data["timestamp"].as_str().is_some_and(|time| time.len() == 24), "{event:?}");
            event.data.as_object_mut().unwrap().remove("timestamp");
        }
        event
    }

    /// Reads `close`, which must be the last event, and returns its reason.
    pub(crate) async fn closed(&mut self) -> String {
        let close = self.next("close").await;
        assert_eq!((close.id, self.event().await), (None, None));
        close.data["reason"].as_str().unwrap().to_owned()
    }
}

/// Opens a cast, and returns it.
pub(crate) async fn open(gateway: &Gateway, body: Value) -> Value {
    let answer = call(gateway.address, "POST", CASTS, SERVICE, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    answer.json()
}

/// Changes a cast, and returns it.
pub(crate) async fn change(gateway: &Gateway, cast: &str, body: Value) -> Value {
    let answer = patch(gateway, cast, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    answer.json()
}

pub(crate) async fn patch(gateway: &Gateway, cast: &str, body: Value) -> Answer {
    call(gateway.address, "PATCH", &format!("{CASTS}/{cast}"), SERVICE, body).await
}

pub(crate) async fn read(gateway: &Gateway, path: &str, token: &str) -> Answer {
    call(gateway.address, "GET", &format!("{CASTS}{path}"), token, Value::Null).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_follows_a_cast_to_its_success() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "c", "owner": "ann", "spell": "site", "costCents": 7})).await;
    let mut reader = Reader::open(&gateway, "c", &ann, None).await;
    let status = reader.next("status").await;
    let whole = json!({"castId": "c", "status": "queued", "startedAt": null, "finishedAt": null,
        "duration": null, "costCents": 7, "artifactUrl": null, "errorMessage": null});
    assert_eq!(status.data, whole);
    assert!(status.id.is_some());

    let running = change(&gateway, "c", json!({"status": "running"})).await;
    let status = reader.next("status").await;
    let started = running["startedAt"].clone();
    assert_eq!(status.data, json!({"castId": "c", "status": "running", "startedAt": started}));

    change(&gateway, "c", json!({"progress": 50, "message": "half"})).await;
    let progress = reader.next("progress").await;
    assert_eq!(progress.data, json!({"castId": "c", "progress": 50, "message": "half"}));
    assert!(progress.id > status.id);

    let end = json!({"status": "completed", "artifactUrl": "https://example.com/a", "duration": 1});
    let ended = change(&gateway, "c", end).await;
    assert_eq!(
        (&ended["status"], &ended["artifactUrl"]),
        (&json!("succeeded"), &json!("https://example.com/a"))
    );
    let status = reader.next("status").await;
    let (finished, duration) = (&ended["finishedAt"], &ended["duration"]);
    let expected = json!({"castId": "c", "status": "succeeded", "finishedAt": finished, "duration": duration,
        "artifactUrl": "https://example.com/a"});
    assert_eq!((status.data, status.id), (expected, None));
    let complete = reader.next("complete").await;
    let expected = json!({"castId": "c", "status": "succeeded", "finishedAt": finished, "duration": duration,
        "costCents": 7, "artifactUrl": "https://example.com/a"});
    assert_eq!(complete.data, expected);
    assert_eq!(reader.closed().await, "terminal_state");

    // A client that already has the end is stopped for good. Any other client gets the end.
    let again = async |cursor: i64| {
        let bearer = format!("Bearer {ann}");
        let headers = [("authorization", bearer.as_str()), ("last-event-id", &*cursor.to_string())];
        send(gateway.address, "GET", &format!("{CASTS}/c/events"), &headers, "").await
    };
    let end = complete.id.unwrap();
    assert_eq!(again(end).await.status, StatusCode::NO_CONTENT);
    for cursor in [None, progress.id] {
        let mut reader = Reader::open(&gateway, "c", &ann, cursor).await;
        let status = reader.next("status").await;
        assert_eq!((status.data["status"].as_str(), status.id), (Some("succeeded"), None));
        assert_eq!(reader.next("complete").await.id, Some(end));
        assert_eq!(reader.closed().await, "terminal_state");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_error_while_connected_and_complete_later() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "c", "owner": "ann"})).await;
    let mut reader = Reader::open(&gateway, "c", &ann, None).await;
    reader.next("status").await;
    let failed = change(&gateway, "c", json!({"status": "cancelled", "errorMessage": "stopped"})).await;
    let status = reader.next("status").await;
    assert_eq!((&status.data["status"], &status.data["errorMessage"]), (&json!("failed"), &json!("stopped")));
    let error = reader.next("error").await;
    let expected = json!({"castId": "c", "status": "failed", "errorMessage": "stopped",
        "finishedAt": failed["finishedAt"]});
    assert_eq!(error.data, expected);
    assert_eq!(reader.closed().await, "terminal_state");
    let mut late = Reader::open(&gateway, "c", &ann, None).await;
    assert_eq!(late.next("status").await.data["errorMessage"], "stopped");
    let complete = late.next("complete").await;
    assert_eq!((&complete.data["status"], complete.id), (&json!("failed"), error.id));
    assert_eq!(late.closed().await, "terminal_state");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_gets_the_rows_that_it_missed() {
    let db = database().await;
    let (first, second) = (gateway(&db.url).await, gateway(&db.url).await);
    let ann = token("ann", 600);
    open(&first, json!({"id": "c", "owner": "ann"})).await;
    let mut reader = Reader::open(&first, "c", &ann, None).await;
    let queued = reader.next("status").await;
    drop(reader);
    change(&first, "c", json!({"status": "running"})).await;
    change(&first, "c", json!({"progress": 10})).await;
    change(&first, "c", json!({"progress": 20, "message": "b"})).await;
    // The snapshot is the state at the client's cursor. The rows after it follow, on any gateway.
    let mut reader = Reader::open(&second, "c", &ann, queued.id).await;
    let status = reader.next("status").await;
    assert_eq!((&status.data["status"], status.id), (&json!("queued"), queued.id));
    let running = reader.next("status").await;
    assert_eq!(running.data["status"], "running");
    // Both reports are one event, unless the second gateway has read the first of them alone.
    let mut progress = reader.next("progress").await;
    if progress.data["progress"] == 10 {
        progress = reader.next("progress").await;
    }
    assert_eq!(progress.data, json!({"castId": "c", "progress": 20, "message": "b"}));
    // A cursor from before the cast was opened replays its history.
    let mut history = Reader::open(&second, "c", &ann, Some(0)).await;
    assert_eq!(history.next("status").await.data["status"], "queued");
    assert_eq!(history.next("status").await.data["status"], "running");
    let mut filtered = Reader::with_query(&second, "c", "?events=complete,error", &ann, None).await;
    change(&second, "c", json!({"status": "failed"})).await;
    assert_eq!(filtered.next("error").await.data["status"], "failed");
    assert_eq!(filtered.closed().await, "terminal_state");
    // A client that wants no event of the end still gets its id.
    let mut none = Reader::with_query(&second, "c", "?events=progress", &ann, None).await;
    let block = none.0.text().await.unwrap().unwrap();
    let id: i64 = block.strip_prefix("id: ").and_then(|id| id.trim().parse().ok()).expect(&block);
    assert_eq!(none.closed().await, "terminal_state");
    let bearer = format!("Bearer {ann}");
    let headers = [("authorization", bearer.as_str()), ("last-event-id", &*id.to_string())];
    let again = send(second.address, "GET", &format!("{CASTS}/c/events?events=progress"), &headers, "").await;
    assert_eq!(again.status, StatusCode::NO_CONTENT);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_lose_have_no_event_and_a_higher_attempt_begins_again() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let client = crate::postgres(&db.url).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "c", "owner": "ann", "runId": 77})).await;
    change(&gateway, "c", json!({"status": "running", "runAttempt": 2})).await;
    let mut reader = Reader::open(&gateway, "c", &ann, None).await;
    assert_eq!(reader.next("status").await.data["status"], "running");
    // Other programs may write any row.
    for (kind, meta) in [
        ("cast.queued", json!({"owner": "bob"})),
        ("cast.succeeded", json!({"attempt": 1})),
        ("cast.progress", json!({"attempt": 1, "progress": 99})),
        ("cast.progress", json!({"progress": "much"})),
        ("cast.updated", json!({"costCents": 3})),
    ] {
        insert_row(&client, "cast:c", kind, &meta.to_string()).await;
    }
    let status = reader.next("status").await;
    assert_eq!(status.data, json!({"castId": "c", "status": "running", "costCents": 3}));
    // Reports of progress that arrive together are one event.
    client.batch_execute("BEGIN").await.unwrap();
    for meta in [json!({"progress": 1, "message": "a"}), json!({"progress": 2}), json!({"progress": 3})] {
        insert_row(&client, "cast:c", "cast.progress", &meta.to_string()).await;
    }
    client.batch_execute("COMMIT").await.unwrap();
    let progress = reader.next("progress").await;
    assert_eq!(progress.data, json!({"castId": "c", "progress": 3, "message": "a"}));
    change(&gateway, "c", json!({"status": "failed", "errorMessage": "no"})).await;
    reader.next("status").await;
    reader.next("error").await;
    assert_eq!(reader.closed().await, "terminal_state");
    let again = change(&gateway, "c", json!({"status": "running", "runAttempt": 3})).await;
    let fields = [&again["attempt"], &again["errorMessage"], &again["finishedAt"], &again["runId"]];
    assert_eq!(fields, [&json!(3), &Value::Null, &Value::Null, &json!("77")]);
    let mut reader = Reader::open(&gateway, "c", &ann, None).await;
    let status = reader.next("status").await;
    assert_eq!((&status.data["status"], &status.data["errorMessage"]), (&json!("running"), &Value::Null));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_reads_a_cast() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    for nth in 0..3 {
        open(&gateway, json!({"id": format!("a{nth}"), "owner": "ann"})).await;
    }
    open(&gateway, json!({"id": "b", "owner": "bob"})).await;
    for path in ["/a0", "/a0/events"] {
        assert_eq!(refused(&read(&gateway, path, &bob).await), (403, "FORBIDDEN".to_owned()));
        assert_eq!(refused(&read(&gateway, path, SERVICE).await), (403, "FORBIDDEN".to_owned()));
        assert_eq!(refused(&read(&gateway, path, "nonsense").await), (401, "UNAUTHORIZED".to_owned()));
    }
    for path in ["/none", "/none/events", "/..", "/../events", "/a%20b"] {
        assert_eq!(refused(&read(&gateway, path, &ann).await), (404, "NOT_FOUND".to_owned()), "{path}");
    }
    let list = read(&gateway, "?limit=2", &ann).await.json();
    let ids: Vec<&str> =
        list["casts"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a2", "a1"]);
    assert_eq!(list["pagination"], json!({"page": 1, "limit": 2, "total": 3, "totalPages": 2}));
    let second = read(&gateway, "?limit=2&page=2", &ann).await.json();
    assert_eq!(second["casts"][0]["id"], "a0");
    for query in ["?page=0", "?limit=101", "?page=x", "?color=red"] {
        assert_eq!(refused(&read(&gateway, query, &ann).await).0, 400, "{query}");
    }
    // The tag of a cast changes with the cast.
    let tagged = async |tag: &str| {
        let bearer = format!("Bearer {ann}");
        let headers = [("authorization", bearer.as_str()), ("if-none-match", tag)];
        send(gateway.address, "GET", &format!("{CASTS}/a0"), &headers, "").await
    };
    let answer = tagged("").await;
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(tagged(&tag).await.status, StatusCode::NOT_MODIFIED);
    change(&gateway, "a0", json!({"status": "running"})).await;
    assert_eq!(tagged(&tag).await.status, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_an_earlier_attempt_begins_with_the_current_one() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "c", "owner": "ann"})).await;
    let mut reader = Reader::open(&gateway, "c", &ann, None).await;
    let queued = reader.next("status").await;
    drop(reader);
    change(&gateway, "c", json!({"status": "failed", "errorMessage": "no"})).await;
    change(&gateway, "c", json!({"status": "running", "runAttempt": 2})).await;
    for cursor in [queued.id, Some(0)] {
        let mut reader = Reader::open(&gateway, "c", &ann, cursor).await;
        let status = reader.next("status").await;
        assert_eq!((&status.data["status"], &status.data["errorMessage"]), (&json!("running"), &Value::Null));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_outlives_the_rows_around_it() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "old", "owner": "ann"})).await;
    open(&gateway, json!({"id": "c", "owner": "ann"})).await;
    change(&gateway, "c", json!({"status": "running"})).await;
    change(&gateway, "old", json!({"status": "failed"})).await;
    let store = crate::credentials::store(&db.url);
    let pruned = store.prune(&oasis_core::Family::stored("cast"), std::time::Duration::ZERO, |_| {}).await;
    assert!(pruned.unwrap().rows > 0);
    // The rows of the running cast are kept, but others after the cursor are not.
    let mut reader = Reader::open(&gateway, "c", &ann, Some(0)).await;
    let gap = reader.event().await.unwrap();
    assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &json!("pruned")));
    assert_eq!(reader.next("status").await.data["status"], "running");
    change(&gateway, "c", json!({"status": "succeeded"})).await;
    reader.next("status").await;
    reader.next("complete").await;
    assert_eq!(reader.closed().await, "terminal_state");
    assert_eq!(refused(&read(&gateway, "/old", &ann).await).0, 404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_at_its_time_limit_and_the_client_continues() {
    let db = database().await;
    let settings = ["--jwt-secret", SECRET, "--ingest-tokens", SERVICE, "--cast-stream-limit", "2s"];
    let gateway = Gateway::start(&db.url, &settings).await;
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "c", "owner": "ann"})).await;
    let began = Instant::now();
    let mut reader = Reader::open(&gateway, "c", &ann, None).await;
    let queued = reader.next("status").await;
    let block = reader.0.text().await.unwrap().unwrap();
    let retry: u64 = block.strip_prefix("retry: ").and_then(|time| time.trim().parse().ok()).expect(&block);
    assert!((1_000..=6_000).contains(&retry), "{retry}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(10), "{took:?}");
    let timeout = reader.next("timeout").await;
    let message = json!({"message": "the connection has reached its time limit: connect again"});
    assert_eq!((timeout.id, timeout.data), (None, message));
    assert_eq!(reader.closed().await, "timeout");
    change(&gateway, "c", json!({"status": "succeeded"})).await;
    let mut reader = Reader::open(&gateway, "c", &ann, queued.id).await;
    assert_eq!(reader.next("status").await.data["status"], "succeeded");
    reader.next("complete").await;
    assert_eq!(reader.closed().await, "terminal_state");
    gateway.stop().await;
}
