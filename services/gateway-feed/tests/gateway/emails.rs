//! Tests that e-mail addresses are withheld in everything that everyone may read.

use serde_json::{Value, json};

use crate::agents::{AGENTS, until};
use crate::client::{Feed, get, post};
use crate::{Gateway, database, postgres};

/// Links, and what everyone may see of them.
const LINKS: [(&str, Option<&str>); 5] = [
    ("https://example.com/u/ann@example.com?tab=1", Some("https://example.com/u/%5Bwithheld%5D?tab=1")),
    ("https://example.com/?by=ann%40localhost&n=1", Some("https://example.com/?by=%5Bwithheld%5D&n=1")),
    ("https://example.com/u?%22ann%20b%22%40example.com", Some("https://example.com/u?%5Bwithheld%5D")),
    ("https://example.com/@team/pkg@1.2.3/a%20b", Some("https://example.com/@team/pkg@1.2.3/a%20b")),
    // Only SQL can write this link. Its host is not valid.
    ("https://ann%40example.com/x", None),
];

/// Stores an event for each of the [`LINKS`].
async fn store_links(url: &str) {
    let sql = postgres(url).await;
    for (link, _) in LINKS {
        let insert = "INSERT INTO oasis_events \
                      (ts, vtid, layer, module, source, kind, status, title, ref, link) \
                      VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'note', 'info', \
                      'UNSET-CORE-NOTE', 'vt/UNSET-note', $1)";
        sql.execute(insert, &[&link]).await.unwrap();
    }
}

async fn links_of_feed(feed: &mut Feed) -> Vec<Value> {
    let mut links = Vec::new();
    while links.len() < LINKS.len() {
        links.push(feed.event().await.1["link"].clone());
    }
    links
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_links_are_shown_only_to_readers_with_a_token() {
    let db = database().await;
    let public = Gateway::start(&db.url, &[]).await;
    let known = Gateway::start(&db.url, &["--read-tokens", "t"]).await;
    let withheld: Vec<Value> = LINKS.iter().map(|(_, shown)| json!(shown)).collect();
    let complete: Vec<Value> = LINKS.iter().map(|(link, _)| json!(link)).collect();
    let mut live = Feed::open(public.address, "", &[]).await;
    live.connected().await;
    store_links(&db.url).await;
    assert_eq!(links_of_feed(&mut live).await, withheld);
    for (gateway, token, links) in [(&public, "", withheld), (&known, "token=t&", complete)] {
        for begin in ["", "kind=note", "last_event_id=0", "last_event_id=0&source=oasis.events"] {
            let mut feed = Feed::open(gateway.address, &format!("?{token}{begin}"), &[]).await;
            assert_eq!(links_of_feed(&mut feed).await, links, "{begin}");
        }
        let page = get(gateway.address, &format!("/api/v1/oasis/events?{token}limit=5")).await.json();
        let shown: Vec<_> =
            page.as_array().unwrap().iter().rev().map(|event| event["link"].clone()).collect();
        assert_eq!(shown, links);
    }
    public.stop().await;
    known.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_every_form_are_withheld_in_meta_and_versions_are_not() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let event = json!({
        "source": "oasis.events", "kind": "note", "status": "info",
        "meta": {
            "a": "\"ann b\"@example.com, ann%40example.com and ann@localhost",
            "b": ["actions/checkout@v4", "@team", "@scope/pkg@1.2.3", "image@sha256:0123abcd"],
            "ann@localhost": {"bob@localhost": "https://h/?by=ann@example.com&n=1"}
        }
    });
    assert_eq!(post(gateway.address, "/events/ingest", event.to_string()).await.status, 201);
    let shown = get(gateway.address, "/api/v1/oasis/events").await.json();
    let meta = json!({
        "a": "[withheld], [withheld] and [withheld]",
        "b": ["actions/checkout@v4", "@team", "@scope/pkg@1.2.3", "image@sha256:0123abcd"],
        "[withheld]": {"[withheld 2]": "https://h/?by=[withheld]&n=1"}
    });
    assert_eq!(shown[0]["meta"], meta);
    gateway.stop().await;
}

/// SQL can write a `meta` that nests deeper than a JSON parser reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_deep_meta_is_shown_without_its_addresses() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    let deep = |text: &str| format!("{{\"a\": {}\"{text}\", 1.10{}}}", "[".repeat(300), "]".repeat(300));
    let insert = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
                  VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'note', 'info', \
                  'UNSET-CORE-NOTE', 'vt/UNSET-note', $1::text::jsonb)";
    postgres(&db.url).await.execute(insert, &[&deep("by ann@example.com")]).await.unwrap();
    let page = get(gateway.address, "/api/v1/oasis/events").await;
    let page = std::str::from_utf8(&page.body).unwrap();
    assert!(page.contains(&deep("by [withheld]")), "{page}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_the_names_of_agents_are_withheld_in_the_list_and_in_the_report() {
    let db = database().await;
    let public = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let known = Gateway::start(&db.url, &["--read-tokens", "t"]).await;
    let ping = json!({
        "source": "agent.ping", "kind": "ping", "status": "info", "vtid": "IDLE",
        "meta": {"agent": "ann%40localhost", "instance": "\"ann\"@example.com:1", "interval": 60}
    });
    assert_eq!(post(public.address, "/events/ingest", ping.to_string()).await.status, 201);
    until(public.address, &["idle"]).await;
    let listed = get(public.address, AGENTS).await.json();
    assert_eq!((&listed[0]["agent"], &listed[0]["instance"]), (&json!("[withheld]"), &json!("[withheld]:1")));
    let report = get(public.address, "/api/v1/oasis/canon").await.json();
    assert_eq!(report["worst"][0]["name"], "[withheld]", "{report}");
    let report = get(known.address, "/api/v1/oasis/canon?token=t").await.json();
    assert_eq!(report["worst"][0]["name"], "ann%40localhost", "{report}");
    public.stop().await;
    known.stop().await;
}
