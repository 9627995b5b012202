//! Tests the query API: filters, pages, and which readers see e-mail addresses.

use serde_json::{Value, json};

use crate::client::{get, post};
use crate::{Gateway, database, insert, postgres};

fn ids(page: &Value) -> Vec<i64> {
    page.as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_links_lead_through_all_pages_without_overlap() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    insert(&sql, "DEV-TEST-0001", "info", 30).await;
    insert(&sql, "DEV-OTHER-0002", "failure", 25).await;
    let gateway = Gateway::start(&db.url, &[]).await;
    let newest = get(gateway.address, "/api/v1/oasis/events").await;
    assert_eq!(ids(&newest.json()), (6..=55).rev().collect::<Vec<_>>());
    let mut path =
        "/api/v1/oasis/events?vtid=dev-test-0001,%20IDLE&limit=7&since=2020-01-01T00:00:00%2B01:00"
            .to_owned();
    let mut all = Vec::new();
    loop {
        let page = get(gateway.address, &path).await;
        assert_eq!(
            (page.status.as_u16(), page.headers["x-vtid"].to_str().unwrap()),
            (200, "DEV-TEST-0001,IDLE")
        );
        all.extend(ids(&page.json()));
        let Some(link) = page.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        let target = link.strip_prefix('<').unwrap().split('>').next().unwrap();
        assert!(link.ends_with("rel=\"next\""));
        // A reference that is only a query keeps the path of the request. So it also leads to the next page
        // if a proxy has removed the start of that path.
        assert!(target.starts_with('?'), "{link}");
        path = format!("/api/v1/oasis/events{target}");
    }
    assert_eq!(all, (1..=30).rev().collect::<Vec<_>>());
    let offset =
        get(gateway.address, "/api/v1/oasis/events?vtid=ALL&limit=3&offset=2&status=failure,success").await;
    assert_eq!(ids(&offset.json()), [53, 52, 51]);
    assert_eq!(offset.headers["x-vtid"], "ALL");
    let until = get(gateway.address, "/api/v1/oasis/events?until=2020-01-01T00:00:00Z").await;
    assert_eq!(until.body, "[]");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn email_addresses_are_shown_only_to_readers_with_a_token() {
    let db = database().await;
    let public = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let known = Gateway::start(&db.url, &["--read-tokens", "t"]).await;
    let event = json!({
        "source": "oasis.events", "kind": "note", "status": "info",
        "meta": {"by": "Ann <ann@example.com>", "n": 1}
    });
    assert_eq!(post(public.address, "/events/ingest", event.to_string()).await.status, 201);
    let shown = get(public.address, "/api/v1/oasis/events").await.json();
    assert_eq!(shown[0]["meta"].to_string(), r#"{"by":"Ann <[withheld]>","n":1}"#);
    let shown = get(known.address, "/api/v1/oasis/events?token=t").await.json();
    assert_eq!(shown[0]["meta"]["by"], "Ann <ann@example.com>");
    public.stop().await;
    known.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_bad_parameter() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    for query in
        ["limit=0", "limit=abc", "limit=1001", "limit=5&limit=6", "offset=-1", "before=", "since=x", "page=2"]
    {
        let answer = get(gateway.address, &format!("/api/v1/oasis/events?{query}")).await;
        let name = query.split('=').next().unwrap();
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.error().1.contains(name), "{query}: {:?}", answer.error());
    }
    gateway.stop().await;
}
