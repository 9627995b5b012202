//! Tests resource events: the write API, the stream with its filters and claims, and the events of a task.

use std::collections::BTreeSet;
use std::time::Duration;

use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules};
use serde_json::{Map, Value, json};

use crate::client::Feed;
use crate::rooms::{SECRET, SERVICE, call, gateway, refused};
use crate::{Gateway, database};

pub(crate) const STREAM: &str = "/api/v1/events/stream";
pub(crate) const EVENTS: &str = "/api/v1/events";

/// A token with the claim `oasis.resources`, unless `claim` is null.
pub(crate) fn token(user: &str, claim: Value) -> String {
    let keys = Keys::new(&[KeySource::Secrets(SECRET.parse().unwrap())], Rules::default()).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let at = |second| Ts::from_unix_seconds(second).unwrap();
    let claims: Map<String, Value> = match claim {
        Value::Null => Map::new(),
        claim => [("oasis.resources".to_owned(), claim)].into_iter().collect(),
    };
    let (sub, jti) = (user.to_owned(), user.to_owned());
    keys.mint(&NewToken { sub, jti, now: at(now), exp: at(now + 600), is_admin: false, claims }).unwrap()
}

/// A status of a workload.
pub(crate) fn status(workload: &str, status: &str) -> Value {
    json!({"event_type": "workload_status_update", "workload_id": workload, "status": status})
}

/// An event with one more field.
pub(crate) fn with(mut event: Value, name: &str, value: impl Into<Value>) -> Value {
    event[name] = value.into();
    event
}

/// Writes events, and returns the id of the last event.
pub(crate) async fn write(gateway: &Gateway, events: Value) -> i64 {
    let answer = call(gateway.address, "POST", EVENTS, SERVICE, events).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()["lastId"].as_i64().unwrap()
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) id: Option<i64>,
    pub(crate) data: Value,
}

/// A reader of the stream.
pub(crate) struct Reader(Feed);

impl Reader {
    /// Opens the stream, and reads the first event, which must be `connected`.
    pub(crate) async fn open(gateway: &Gateway, query: &str, token: &str, cursor: Option<i64>) -> Self {
        let bearer = format!("Bearer {token}");
        let cursor = cursor.map_or(String::new(), |cursor| cursor.to_string());
        let headers = [("authorization", bearer.as_str()), ("last-event-id", &cursor)];
        Self(Feed::open_path(gateway.address, &format!("{STREAM}{query}"), &headers).await).connected().await
    }

    async fn connected(mut self) -> Self {
        let first = self.event().await.unwrap();
        assert_eq!((first.name.as_str(), &first.data["event_type"]), ("connected", &json!("connected")));
        assert!(first.data["timestamp"].is_number() && first.data["connection_id"].is_string());
        self
    }

    /// Accepts events that `openapi/` does not describe.
    pub(crate) fn unchecked(self) -> Self {
        Self(self.0.unchecked())
    }

    /// The next event. Blocks without data are skipped. Every event must be flat.
    pub(crate) async fn event(&mut self) -> Option<Named> {
        while let Some(block) = self.0.text().await.unwrap() {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = field("data: ") else { continue };
            let data: Value = serde_json::from_str(data).unwrap();
            let name = field("event: ").expect("every event has a name").to_owned();
            assert_eq!(data["event_type"], name.as_str());
            assert!(data["timestamp"].is_number(), "{data}");
            assert!(data.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()));
            return Some(Named { name, id: field("id: ").map(|id| id.parse().unwrap()), data });
        }
        None
    }

    /// The next event about a resource.
    pub(crate) async fn next(&mut self) -> Named {
        loop {
            let event = self.event().await.expect("the stream ended");
            if event.id.is_some() {
                return event;
            }
        }
    }

    /// The workloads of the next `count` events about resources.
    pub(crate) async fn workloads(&mut self, count: usize) -> Vec<String> {
        let mut workloads = Vec::new();
        while workloads.len() < count {
            workloads.push(self.next().await.data["workload_id"].as_str().unwrap().to_owned());
        }
        workloads
    }
}

/// Asks for the stream, which must be refused.
pub(crate) async fn refusal(gateway: &Gateway, query: &str, token: &str) -> (u16, String) {
    refused(&call(gateway.address, "GET", &format!("{STREAM}{query}"), token, Value::Null).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_named_flat_events_and_none_of_the_past() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    // Once this client has the event, it is an event of the past for every later client.
    let mut earlier = Reader::open(&gateway, "", &token, None).await;
    write(&gateway, status("api", "Pending")).await;
    earlier.next().await;
    let mut by_header = Reader::open(&gateway, "", &token, None).await;
    let in_query = format!("{STREAM}?token={token}&resource_type=all");
    let mut by_query = Reader(Feed::open_path(gateway.address, &in_query, &[]).await).connected().await;
    let event = json!({
        "event_type": "workload_status_update", "timestamp": 1_767_323_045, "workload_id": "api",
        "project_id": "shop", "status": "Running", "message": "3 of 3", "replicas": 3, "is_new": true,
    });
    let id = write(&gateway, event.clone()).await;
    let expected = with(event, "resource_type", "workload");
    for reader in [&mut by_header, &mut by_query] {
        let got = reader.next().await;
        assert_eq!((got.name.as_str(), got.id), ("workload_status_update", Some(id)));
        assert_eq!(got.data, expected);
    }
    // A time with milliseconds is a number with a fraction.
    write(&gateway, with(status("api", "Failed"), "timestamp", 1_767_323_045.25)).await;
    assert_eq!(by_header.next().await.data["timestamp"], 1_767_323_045.25);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_passes_every_filter_and_moves_the_cursor() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    let bearer = format!("Bearer {token}");
    let path = format!("{STREAM}?workload_id=none&event_types=build_failed");
    let mut feed = Feed::open_path(gateway.address, &path, &[("authorization", &bearer)]).await;
    let id = write(&gateway, status("api", "Running")).await;
    let (mut cursor, mut heartbeat) = (None, None);
    while heartbeat.is_none() || cursor < Some(id) {
        let block = feed.text().await.unwrap().expect("the stream ended");
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        cursor = field("id: ").map(|id| id.parse().unwrap()).or(cursor);
        if field("event: ") == Some("heartbeat") {
            heartbeat = Some(serde_json::from_str::<Value>(field("data: ").unwrap()).unwrap());
        }
    }
    let heartbeat = heartbeat.unwrap();
    assert_eq!((heartbeat["event_type"].as_str(), cursor), (Some("heartbeat"), Some(id)));
    assert!(heartbeat["timestamp"].is_number());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_events_by_place_type_and_kind() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    let event = |kind: &str, fields: Value| with(fields, "event_type", kind);
    // Each event has a mark.
    let events = json!([
        event(
            "workload_status_update",
            json!({"workload_id": "a", "project_id": "p", "cluster_id": "c", "status": "Running", "mark": 0})
        ),
        event(
            "workload_status_update",
            json!({"workload_id": "b", "project_id": "p", "cluster_id": "c", "status": "Failed", "mark": 1})
        ),
        event("build_complete", json!({"workload_id": "a", "build_id": "1", "mark": 2})),
        event(
            "project_status_update",
            json!({"project_id": "q", "cluster_id": "d", "status": "Ready", "mark": 3})
        ),
        event("cluster_status_update", json!({"cluster_id": "c", "status": "healthy", "mark": 4})),
        event("error_report", json!({"error_type": "x", "message": "m", "mark": 5})),
        event(
            "error_report",
            json!({"error_type": "x", "message": "m", "resource_type": "addon", "mark": 6})
        ),
        event(
            "addon_status_update",
            json!({"addon_id": "db", "project_id": "q", "status": "Running", "mark": 7})
        ),
        event(
            "workload_status_update",
            json!({"workload_id": "z", "project_id": "z", "cluster_id": "z", "status": "Running", "mark": 8})
        ),
    ]);
    // The last event of each list shows that nothing else came before it.
    let cases: [(&str, &[i64]); 13] = [
        ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("?resource_type=all", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("?workload_id=a,z", &[0, 2, 8]),
        ("?project_id=p,z", &[0, 1, 2, 8]),
        ("?cluster_id=c,z", &[0, 1, 2, 4, 8]),
        ("?cluster_id=d,z", &[3, 7, 8]),
        ("?cluster_id=c&project_id=p&workload_id=b", &[1]),
        ("?resource_type=workload", &[0, 1, 8]),
        ("?resource_type=build", &[2]),
        ("?resource_type=addon", &[6, 7]),
        ("?event_types=build_complete,cluster_status_update", &[2, 4]),
        ("?event_types=error_report", &[5, 6]),
        ("?project_id=q&resource_type=addon", &[7]),
    ];
    let mut readers = Vec::new();
    for (query, _) in cases {
        readers.push(Reader::open(&gateway, query, &token, None).await);
    }
    let before = write(&gateway, status("before", "Pending")).await;
    write(&gateway, events).await;
    for (reader, (query, marks)) in readers.iter_mut().zip(cases) {
        for mark in marks {
            let got = loop {
                let got = reader.next().await;
                if got.id != Some(before) {
                    break got;
                }
            };
            assert_eq!(got.data["mark"], *mark, "{query}: {got:?}");
        }
    }
    // The same events, read from the table.
    for (query, marks) in cases {
        let mut reader = Reader::open(&gateway, query, &token, Some(before)).await;
        for mark in marks {
            assert_eq!(reader.next().await.data["mark"], *mark, "{query}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_an_event_lacks_come_from_earlier_events() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    let mut reader = Reader::open(&gateway, "", &token, None).await;
    let mut places = async |events: Value, count: usize| {
        write(&gateway, events).await;
        let mut places = Vec::new();
        for _ in 0..count {
            let data = reader.next().await.data;
            let id = |name: &str| data[name].as_str().unwrap_or("-").to_owned();
            places.push(format!("{} {}", id("project_id"), id("cluster_id")));
        }
        places
    };
    let project = |project: &str, cluster: &str| {
        let event = json!({"event_type": "project_status_update", "project_id": project, "status": "Ready"});
        if cluster.is_empty() { event } else { with(event, "cluster_id", cluster) }
    };
    assert_eq!(places(status("api", "Pending"), 1).await, ["- -"]);
    assert_eq!(places(with(status("api", "Pending"), "project_id", "shop"), 1).await, ["shop -"]);
    assert_eq!(places(status("api", "Running"), 1).await, ["shop -"]);
    assert_eq!(
        places(json!([project("shop", "eu"), status("api", "Running")]), 2).await,
        ["shop eu", "shop eu"]
    );
    assert_eq!(places(project("shop", ""), 1).await, ["shop eu"]);
    let build = json!({"event_type": "build_failed", "build_id": "7", "workload_id": "api", "error": "x"});
    assert_eq!(places(build, 1).await, ["shop eu"]);
    // A workload that moves to another project does not keep its cluster.
    let moved = with(status("api", "Running"), "project_id", "blog");
    assert_eq!(places(json!([moved, status("api", "Running")]), 2).await, ["blog -", "blog -"]);
    assert_eq!(
        places(json!([project("blog", "us"), status("api", "Running")]), 2).await,
        ["blog us", "blog us"]
    );
    // Events of one request count in their order.
    let events = json!([
        status("web", "Pending"),
        with(status("web", "Running"), "project_id", "blog"),
        status("web", "Failed")
    ]);
    assert_eq!(places(events, 3).await, ["- -", "blog us", "blog us"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_resumes_exactly_or_replays_from_a_time() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    let mut events = Vec::new();
    for nth in 0..1_000 {
        events.push(with(status(["a", "b", "c", "d"][nth % 4], "Running"), "nth", nth));
    }
    let start = jiff::Timestamp::now();
    let last = write(&gateway, events.into()).await;
    for query in ["?workload_id=a,c", "?workload_id=c,a&event_types=workload_status_update"] {
        let since = format!("{query}&since={}", start.to_string().replace('+', "%2B"));
        let mut reader = Reader::open(&gateway, &since, &token, None).await;
        let mut all = Vec::new();
        for _ in 0..500 {
            let event = reader.next().await;
            all.push((event.id.unwrap(), event.data["nth"].as_i64().unwrap()));
        }
        assert_eq!(
            all.iter().map(|(_, nth)| *nth).collect::<Vec<_>>(),
            (0..1_000).step_by(2).collect::<Vec<_>>()
        );
        for (cut, (cursor, _)) in all.iter().enumerate().step_by(97) {
            let mut again = Reader::open(&gateway, query, &token, Some(*cursor)).await;
            for expected in &all[cut + 1..] {
                assert_eq!(again.next().await.id, Some(expected.0));
            }
        }
    }
    let mut reader = Reader::open(&gateway, "?workload_id=b", &token, Some(last)).await;
    let id = write(&gateway, status("b", "Failed")).await;
    assert_eq!(reader.next().await.id, Some(id));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_the_same_key_stores_nothing_again() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let bearer = format!("Bearer {SERVICE}");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k1")];
    let body = json!([status("a", "Running"), status("b", "Running")]).to_string();
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let answer = crate::client::send(gateway.address, "POST", EVENTS, &headers, body.clone()).await;
        assert_eq!(answer.json()["accepted"], 2);
        ids.insert(answer.json()["lastId"].as_i64().unwrap());
    }
    assert_eq!(ids.len(), 1);
    // The places that the gateway has added meanwhile do not matter, and neither does the form of a number.
    write(&gateway, with(status("a", "Running"), "project_id", "shop")).await;
    let answer = crate::client::send(gateway.address, "POST", EVENTS, &headers, body.clone()).await;
    assert_eq!(answer.json()["lastId"].as_i64(), ids.first().copied());
    let other = json!([status("a", "Running"), status("b", "Failed")]).to_string();
    let answer = crate::client::send(gateway.address, "POST", EVENTS, &headers, other).await;
    assert_eq!(crate::rooms::refused(&answer), (409, "key_reused".to_owned()));
    gateway.stop().await;
}

/// A frame is sent within milliseconds, although nothing polls.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_one_workload_do_not_get_events_of_another() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    let mut quiet = Reader::open(&gateway, "?workload_id=quiet", &token, None).await;
    for nth in 0..50 {
        write(&gateway, with(status("busy", "Running"), "nth", nth)).await;
    }
    let id = write(&gateway, status("quiet", "Running")).await;
    let next = tokio::time::timeout(Duration::from_secs(5), quiet.next()).await.unwrap();
    assert_eq!(next.id, Some(id));
    gateway.stop().await;
}
