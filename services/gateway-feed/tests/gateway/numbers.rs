//! Tests that the numbers in `meta` keep all their digits, in every form of ingest and in the query API.

use crate::client::{Answer, get, post, send};
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

/// To withhold e-mail addresses, the gateway parses `meta` and prints it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_next_to_a_withheld_address_keeps_its_digits() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let event = r#"{"type":"t","by":"ann@example.com","n":123456789012345678901234567890.10}"#;
    assert_eq!(post(gateway.address, "/events/ingest", event).await.status, 200);
    let page = get(gateway.address, "/api/v1/oasis/events").await;
    let page = std::str::from_utf8(&page.body).unwrap();
    assert!(page.contains(r#"{"by":"[withheld]","n":123456789012345678901234567890.10}"#), "{page}");
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
