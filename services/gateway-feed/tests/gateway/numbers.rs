//! Tests that numbers keep all their digits: in every form of ingest, in the query API and in private
//! streams.

use oasis_core::parse_json;
use serde_json::{Value, json};

use crate::client::{Answer, Feed, get, post, send};
use crate::resources::{self, EVENTS, STREAM};
use crate::rooms::{SERVICE, call, gateway, open_room, token};
use crate::{Gateway, database, postgres};

/// A body in each of the four forms, and in the binary mode of CloudEvents. `N` is a placeholder for a number
/// that is stored in `meta`. `LONG` is a placeholder for a long text.
const FORMS: [(&str, &str); 5] = [
    ("strict", r#"{"source":"oasis.events","kind":"a","status":"info","meta":{"n":N,"text":"LONG"}}"#),
    ("agents'", r#"{"service":"s","event":"e","metadata":{"n":N,"text":"LONG"}}"#),
    ("telemetry", r#"{"type":"t","payload":{"n":N},"text":"LONG"}"#),
    ("CloudEvents", r#"{"specversion":"1.0","id":"N","source":"/a","type":"t","data":{"n":N}}"#),
    ("binary", r#"{"n":N}"#),
];

async fn ingest(gateway: &Gateway, form: &str, body: &str, number: &str) -> Answer {
    let body = body.replace("LONG", &"x".repeat(2_000)).replace('N', number);
    let json = ("content-type", "application/json");
    let cloud = [json, ("ce-specversion", "1.0"), ("ce-id", number), ("ce-source", "/b"), ("ce-type", "t")];
    let headers = if form == "binary" { &cloud[..] } else { &[json][..] };
    send(gateway.address, "POST", "/events/ingest", headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_keeps_all_its_digits_in_every_form() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for (given, stored) in [
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-18446744073709551616", "-18446744073709551616"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("9007199254740993.0", "9007199254740993.0"),
        ("1.50e-3", "0.00150"),
        ("1.10", "1.10"),
        ("0.1000", "0.1000"),
        ("1e-7", "0.0000001"),
        ("12345678901234567890E5", "1234567890123456789000000"),
        ("1e400", &format!("1{}", "0".repeat(400))),
    ] {
        for (form, body) in FORMS {
            let answer = ingest(&gateway, form, body, given).await;
            let id = answer.json()["id"].as_i64().unwrap_or_else(|| panic!("{form}: {:?}", answer.body));
            let found = "SELECT coalesce(meta->'n', meta->'data'->'n')::text FROM oasis_events WHERE id = $1";
            let found: String = sql.query_one(found, &[&id]).await.unwrap().get(0);
            assert_eq!(found, stored, "{form}");
            let page = get(gateway.address, "/api/v1/oasis/events?limit=1").await;
            let page = std::str::from_utf8(&page.body).unwrap();
            assert!(page.contains(&format!("\"n\": {stored}")), "{form}: {page}");
        }
    }
    gateway.stop().await;
}

/// `meta` is shown as PostgreSQL prints it, even if an address in it is withheld.
#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_an_array_of_events_keep_their_digits_next_to_a_withheld_address() {
    let db = database().await;
    let public = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let known = Gateway::start(&db.url, &["--read-tokens", "t"]).await;
    let numbers = "[123456789012345678901234567890, 1.10, 1e-7, 0.1000, -1.5E3]";
    let events = FORMS[..4].iter().map(|(_, body)| body.replace("LONG", "by ann@example.com"));
    let events: Vec<String> = events.map(|body| body.replace(r#""N""#, r#""1""#)).collect();
    let events = format!("[{}]", events.join(",")).replace(r#":N"#, &format!(":{numbers}"));
    let answer = post(public.address, "/events/ingest", events).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let numbers = r#""n": [123456789012345678901234567890, 1.10, 0.0000001, 0.1000, -1500]"#;
    for (gateway, token, text) in [(&public, "", "by [withheld]"), (&known, "?token=t", "by ann@example.com")]
    {
        let page = get(gateway.address, &format!("/api/v1/oasis/events{token}")).await;
        let page = std::str::from_utf8(&page.body).unwrap();
        assert_eq!(page.matches(numbers).count(), 4, "{page}");
        assert_eq!(page.matches(&format!(r#"{{{numbers}, "text": "{text}"}}"#)).count(), 3, "{page}");
    }
    public.stop().await;
    known.stop().await;
}

async fn open(gateway: &Gateway, path: &str, token: &str) -> Feed {
    Feed::open_path(gateway.address, path, &[("authorization", &format!("Bearer {token}"))]).await
}

/// Reads a stream until a block contains `text`.
async fn next_with(stream: &mut Feed, text: &str) {
    while !stream.text().await.unwrap().expect("the stream ended").contains(text) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_in_private_streams_keep_their_digits() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    let write = async |method: &str, path: &str, body: &str| {
        let answer = call(gateway.address, method, path, SERVICE, parse_json(body.as_bytes()).unwrap()).await;
        assert!(answer.status.is_success(), "{path}: {:?}", answer.body);
    };
    let shown = async |path: &str| {
        let answer = call(gateway.address, "GET", path, &ann, Value::Null).await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    let given = r#"{"a":123456789012345678901234567890,"b":1.10,"c":1e-7,"d":0.1000}"#;
    let stored = r#"{"a": 123456789012345678901234567890, "b": 1.10, "c": 0.0000001, "d": 0.1000}"#;

    open_room(&gateway, "r", json!({})).await;
    let mut log = open(&gateway, "/api/v1/rooms/r/logs", &ann).await;
    let line = format!(r#"{{"agentType":"code","message":"m","metadata":{given}}}"#);
    write("POST", "/api/v1/rooms/r/logs", &line).await;
    let metadata = format!(r#""metadata":{stored}"#);
    next_with(&mut log, &metadata).await;
    let page = shown("/api/v1/rooms/r/logs").await;
    assert!(page.contains(&metadata), "{page}");

    let reader = resources::token("ann", Value::Null);
    let mut stream = open(&gateway, STREAM, &reader).await;
    let event = r#"{"event_type":"workload_status_update","workload_id":"w","status":"Running","#;
    write("POST", EVENTS, &format!(r#"{event}"vtid":"DEV-A-0001",{}"#, &given[1..])).await;
    let members = stored[1..].replace(": ", ":").replace(", ", ",");
    let members = members.trim_end_matches('}');
    next_with(&mut stream, members).await;
    let list = format!("{EVENTS}?vtid=DEV-A-0001");
    let list = call(gateway.address, "GET", &list, &reader, Value::Null).await;
    let list = std::str::from_utf8(&list.body).unwrap();
    assert!(list.contains(members), "{list}");

    let cast = format!(r#"{{"id":"c","owner":"ann","spell":{{"name":"site",{}}}"#, &given[1..]);
    write("POST", "/api/casts", &cast).await;
    let cast = shown("/api/casts/c").await;
    assert!(cast.contains(&format!(r#""spell":{{{members},"name":"site"}}"#)), "{cast}");
    let mut stream = open(&gateway, "/api/casts/c/events", &ann).await;
    write("PATCH", "/api/casts/c", r#"{"status":"running","progress":33.3333333333333333333330}"#).await;
    next_with(&mut stream, r#""progress":33.3333333333333333333330"#).await;
    gateway.stop().await;
}

/// PostgreSQL prints a number without an exponent, so these numbers do not fit in `meta`. The lenient forms
/// store such a number as text, and do not change the other entries of `meta`.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_too_large_becomes_text_or_the_refusal_names_it() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for number in ["1e+400000", "-1e+16384", "1e-20000", "1e+99999999999999999999", "0e+2147483647"] {
        for (form, body) in FORMS {
            let answer = ingest(&gateway, form, body, number).await;
            match form {
                "agents'" | "telemetry" => {
                    assert_eq!(answer.status, 200, "{form} {number}: {:?}", answer.body);
                    let stored = &get(gateway.address, "/api/v1/oasis/events?limit=1").await.json()[0];
                    assert_eq!(stored["id"], answer.json()["id"]);
                    let meta = &stored["meta"];
                    assert_eq!((&meta["n"], &meta["truncated"]), (&number.into(), &true.into()), "{form}");
                    assert_eq!(meta["text"].as_str().unwrap().len(), 2_000, "{form}");
                }
                _ => {
                    assert_eq!(answer.status, 400, "{form} {number}: {:?}", answer.body);
                    let message = answer.error().1;
                    assert!(message.contains("`n`") && message.contains(number), "{form}: {message}");
                }
            }
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_numbers_that_fit_are_stored() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for number in ["1e16000", "1e-16000", &"7".repeat(16_000), &format!("0.{}", "7".repeat(16_000))] {
        let event =
            format!(r#"{{"source":"oasis.events","kind":"a","status":"info","meta":{{"n":{number}}}}}"#);
        let answer = post(gateway.address, "/events/ingest", event).await;
        assert_eq!(answer.status, 201, "{number:.20}: {:?}", answer.body);
    }
    gateway.stop().await;
}
