//! Tests gateways in a database that they share with another application or with another schema.

use oasis_postgres::testing;
use oasis_store::migrate_in;
use serde_json::json;

use crate::client::{Feed, get, post};
use crate::{Gateway, database, postgres};

/// The table of another application.
const FOREIGN: &str =
    "CREATE TABLE oasis_events (id uuid PRIMARY KEY, created_at timestamptz, vtid text, topic text)";

fn event(vtid: &str) -> String {
    json!({"source": "oasis.events", "kind": "event", "status": "info", "vtid": vtid}).to_string()
}

/// The database of the test is fresh, so the first event of each schema has the id 1.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_of_two_schemas_show_only_their_own_events() {
    let db = database().await;
    migrate_in(&db.url.parse().unwrap(), &"devhub".parse().unwrap()).await.unwrap();
    let public = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let ours = Gateway::start(&db.url, &["--ingest-anonymous", "--oasis-schema", "devhub"]).await;
    let mut feeds = Vec::new();
    for gateway in [&public, &ours] {
        let mut feed = Feed::open(gateway.address, "", &[]).await;
        assert_eq!(feed.connected().await["head"], 0);
        feeds.push(feed);
    }
    for (gateway, vtid) in [(&ours, "DEV-OURS-0001"), (&public, "DEV-PUBLIC-0001")] {
        assert_eq!(get(gateway.address, "/ready").await.status, 200);
        assert_eq!(post(gateway.address, "/events/ingest", event(vtid)).await.status, 201);
    }
    for (feed, (gateway, vtid)) in
        feeds.iter_mut().zip([(&public, "DEV-PUBLIC-0001"), (&ours, "DEV-OURS-0001")])
    {
        let (id, event) = feed.event().await;
        assert_eq!((id, &event["vtid"]), (1, &json!(vtid)));
        let page = get(gateway.address, "/api/v1/oasis/events").await.json();
        assert_eq!((page.as_array().unwrap().len(), &page[0]["vtid"]), (1, &json!(vtid)));
    }
    public.stop().await;
    ours.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_names_the_table_of_another_application_and_the_remedy() {
    let db = testing::empty_database().await;
    postgres(&db.url).await.batch_execute(FOREIGN).await.unwrap();
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let ready = get(gateway.address, "/ready").await;
    assert_eq!(ready.status, 503);
    let text = String::from_utf8(ready.body.to_vec()).unwrap();
    assert!(text.contains("the table public.oasis_events is not from OASIS DevHub"), "{text}");
    assert!(text.contains("set OASIS_SCHEMA to another schema"), "{text}");
    assert!(!text.contains("does not exist"), "{text}");
    gateway.stop().await;

    // The remedy works, and the other application keeps its table.
    migrate_in(&db.url.parse().unwrap(), &"devhub".parse().unwrap()).await.unwrap();
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous", "--oasis-schema", "devhub"]).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    feed.connected().await;
    assert_eq!(get(gateway.address, "/ready").await.status, 200);
    assert_eq!(post(gateway.address, "/events/ingest", event("DEV-OURS-0001")).await.status, 201);
    assert_eq!(feed.event().await.1["vtid"], "DEV-OURS-0001");
    let theirs = "INSERT INTO oasis_events (id, topic) VALUES (gen_random_uuid(), 'a.b')";
    postgres(&db.url).await.batch_execute(theirs).await.unwrap();
    gateway.stop().await;
}
